"""The 3D editor of Rigline's review app. Its files are in ``dist``, named for Streamlit in
``pyproject.toml`` beside this file."""

COMPONENT = "rigline-editor.editor"
"""The name under which Streamlit knows the component."""
