"""Brings the notebooks of `tutorials/` into the site."""

from pathlib import Path

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File


# Before mkdocs-jupyter, which makes pages of the notebooks it finds then;
# those that come later are copied as they are, and no warning says so.
@event_priority(100)
def on_files(files, config):
    """Adds each notebook under `tutorials/`, where the navigation has it."""
    root = Path(config.config_file_path).parent
    for notebook in sorted((root / "tutorials").glob("*.ipynb")):
        files.append(
            File(
                f"tutorials/{notebook.name}",
                str(root),
                config.site_dir,
                config.use_directory_urls,
            )
        )
    return files
