import pytest

from scripts.common.errors import InputError
from scripts.common.seals import SEALED_BYTES, check_seals, seal, seal_files


def test_a_changed_file_is_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    seal_files([str(path)])
    check_seals([str(path)])
    path.write_text("a,b\n1,3\n")
    with pytest.raises(InputError, match=r"table\.csv: its sha256 is not the one .*; delete it and run again"):
        check_seals([str(path)])
    seal_files([str(path)])
    check_seals({"named": [path]}.values())


def test_a_seal_is_one_that_sha256sum_checks(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    seal(tmp_path / "a")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (tmp_path / ".a.sha256").read_text() == f"{digest}  a\n"


@pytest.mark.parametrize("damage", ["changed", "removed", "added"])
def test_a_folder_is_sealed_with_all_that_is_in_it(tmp_path, damage):
    folder = tmp_path / "0"
    (folder / "step1").mkdir(parents=True)
    (folder / "step1" / "a").write_text("a")
    (folder / "b").write_text("b")
    seal(folder)
    (folder / ".snakemake_timestamp").touch()  # comes when the job is done
    check_seals(str(folder))
    if damage == "changed":
        (folder / "step1" / "a").write_text("c")
    elif damage == "removed":
        (folder / "b").unlink()
    else:
        (folder / "c").touch()
    with pytest.raises(InputError, match="/0: its sha256"):
        check_seals(str(folder))


def test_what_has_no_seal_is_not_judged(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("text")
    check_seals([tmp_path / "mine.txt", tmp_path / "none", ()])
    monkeypatch.setattr("scripts.common.seals.SEALED_BYTES", 2)
    seal(tmp_path / "mine.txt")
    seal_files([tmp_path / "mine.txt", tmp_path])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert SEALED_BYTES >= 1 << 28
