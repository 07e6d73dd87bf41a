"""Fetches tasks of the Medical Segmentation Decathlon."""

from collections.abc import Callable
from pathlib import Path

from command_line import folder_parser
from command_line import run

from keras_cakes.data import download
from keras_cakes.data import unpack

_URL = "https://msd-for-monai.s3-us-west-2.amazonaws.com"


def fetch_and_check(
    task: str,
    md5: str,
    check: Callable[[Path], None],
    *,
    description: str | None,
) -> None:
    """Runs the script of a task; `md5` is the one that MONAI publishes."""
    parser = folder_parser(description)
    parser.add_argument(
        "--url", default=f"{_URL}/{task}.tar", help="another address"
    )
    parser.add_argument("--sha256", help="checksum of the archive, if known")
    parser.add_argument("--md5", default=md5, help="default: %(default)s")

    def prepare(
        folder: Path, url: str, sha256: str | None, md5: str | None
    ) -> None:
        data = folder / task
        if not data.is_dir():
            archive = folder / f"{task}.tar"
            found = download(url, archive, sha256=sha256, md5=md5)
            print(f"{archive}: sha256={found}")
            unpack(archive, data, root=task)
            print(f"{archive} is no longer needed.")
        check(data)

    run(parser, prepare)
