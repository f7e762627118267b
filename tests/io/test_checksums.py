import pytest

from lm_saturation.errors import InputError
from lm_saturation.io.checksums import MAXIMUM_BYTES, verify_checksums, write_checksum, write_checksums


def test_a_changed_file_is_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    write_checksums([str(path)])
    verify_checksums([str(path)])
    path.write_text("a,b\n1,3\n")
    with pytest.raises(InputError, match=r"table\.csv: its sha256 is not the one .*; delete it and run again"):
        verify_checksums([str(path)])
    write_checksums([str(path)])
    verify_checksums({"named": [path]}.values())


def test_sha256sum_verifies_a_checksum(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    write_checksum(tmp_path / "a")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (tmp_path / ".a.sha256").read_text() == f"{digest}  a\n"


@pytest.mark.parametrize("damage", ["changed", "removed", "added"])
def test_the_checksum_of_a_folder_covers_all_that_is_in_it(tmp_path, damage):
    folder = tmp_path / "0"
    (folder / "step1").mkdir(parents=True)
    (folder / "step1" / "a").write_text("a")
    (folder / "b").write_text("b")
    write_checksum(folder)
    (folder / ".snakemake_timestamp").touch()  # comes when the job is done
    verify_checksums(str(folder))
    if damage == "changed":
        (folder / "step1" / "a").write_text("c")
    elif damage == "removed":
        (folder / "b").unlink()
    else:
        (folder / "c").touch()
    with pytest.raises(InputError, match="/0: its sha256"):
        verify_checksums(str(folder))


def test_files_without_a_checksum_pass(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("text")
    verify_checksums([tmp_path / "mine.txt", tmp_path / "none", ()])
    monkeypatch.setattr("lm_saturation.io.checksums.MAXIMUM_BYTES", 2)
    write_checksum(tmp_path / "mine.txt")
    write_checksums([tmp_path / "mine.txt", tmp_path])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert MAXIMUM_BYTES >= 1 << 28
