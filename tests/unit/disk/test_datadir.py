"""Whose a data directory is, and whether its node has left."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from node.disk import datadir
from node.errors.startup import HasLeft, StartupError


def test_a_directory_keeps_the_name_of_its_first_node(tmp_path):
    """Broken: a container, whose host name is another at each run, starts once."""
    assert datadir.name_in(tmp_path) is None
    datadir.claim(tmp_path, "eu-1")
    datadir.claim(tmp_path, "eu-1")
    assert datadir.name_in(tmp_path) == "eu-1"
    for refuse in (datadir.claim, datadir.refuse_other):
        with pytest.raises(StartupError, match="belongs to node 'eu-1', not to 'us-1'"):
            refuse(tmp_path, "us-1")


def test_what_is_no_name_is_not_taken_for_one(tmp_path):
    """Broken: a node without a name, or another directory's, joins the cluster."""
    (tmp_path / "NODE").write_text("Eu 1\n")
    with pytest.raises(StartupError, match="does not hold the name of a node"):
        datadir.name_in(tmp_path)


def test_a_directory_that_has_left_says_so_until_it_is_to_join_again(tmp_path):
    """Broken: what starts processes undoes that a node left."""
    datadir.refuse_left(tmp_path)
    datadir.mark_left(tmp_path)
    with pytest.raises(HasLeft, match=r"left its cluster at 20.*--rejoin"):
        datadir.refuse_left(tmp_path)
    assert datadir.forget_left(tmp_path)
    datadir.refuse_left(tmp_path)
    assert not datadir.forget_left(tmp_path)


def test_a_command_finds_the_node_that_runs_in_a_directory(tmp_path):
    """Broken: what was meant for a node that was killed goes to who has its port by now."""
    with pytest.raises(StartupError, match="there is no data directory"):
        datadir.admin_address(tmp_path / "none")
    with pytest.raises(StartupError, match="no node runs in"):
        datadir.admin_address(tmp_path)
    with datadir.locked(tmp_path):
        with pytest.raises(StartupError, match="no node runs in"):
            datadir.admin_address(tmp_path)
        with datadir.admin_told(tmp_path, "127.0.0.1:7000") as told:
            assert told
            assert datadir.admin_address(tmp_path) == "127.0.0.1:7000"
        with pytest.raises(StartupError, match="no node runs in"):
            datadir.admin_address(tmp_path)
    (tmp_path / "ADMIN").write_text("127.0.0.1:7000\n")
    with pytest.raises(StartupError, match="no node runs in"):
        datadir.admin_address(tmp_path)


def test_who_only_looks_keeps_no_node_from_starting(tmp_path):
    """Broken: a command in a loop, and a node that says its directory is in use."""
    (tmp_path / "LOCK").touch()
    with ThreadPoolExecutor(1) as pool, datadir.shared(tmp_path):
        starting = pool.submit(datadir.locked(tmp_path).__enter__)
        with pytest.raises(TimeoutError):
            starting.result(timeout=0.05)
    assert starting.result() == tmp_path
