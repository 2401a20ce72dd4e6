"""The reviewer's web app: Streamlit pages over ``rigline.desk``, with a 3D editor of its own."""
