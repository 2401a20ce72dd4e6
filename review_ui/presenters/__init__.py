"""What pages show, as plain values: pure, and tested without Streamlit."""
