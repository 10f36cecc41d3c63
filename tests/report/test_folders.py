"""A variant's folder is the one that holds its graph, whatever it is called."""

import hashlib

import pytest

from harness.report.folders import variant_folders


def with_graph(record, **graphs):
    variants = {
        name: record.variants[name].model_copy(
            update={"graph_sha256": graph and hashlib.sha256(graph.encode()).hexdigest()}
        )
        for name, graph in graphs.items()
    }
    return record.model_copy(update={"variants": variants})


def graph_in(folder, text):
    folder.mkdir()
    (folder / "architecture.json").write_text(text)
    return folder


def test_a_folder_of_any_name_is_found_by_its_graph(record, tmp_path):
    graph_in(tmp_path / "a", "another")
    mine = graph_in(tmp_path / "b", "mine")
    assert variant_folders(with_graph(record, basic="mine"), tmp_path) == {"basic": mine}


def test_two_variants_with_one_graph_have_two_folders(record, tmp_path):
    base, dilated = graph_in(tmp_path / "base_model", "g"), graph_in(tmp_path / "dilated_model", "g")
    found = variant_folders(with_graph(record, basic="g", dilated="g"), tmp_path)
    assert found == {"basic": base, "dilated": dilated}


@pytest.mark.parametrize("folder", ["base_model", "../x/base_model", "/etc/base_model"])
def test_a_variant_without_a_graph_has_the_folder_that_the_record_names_below_the_results(
    record, tmp_path, folder
):
    one = with_graph(record, basic="mine", dilated=None)
    one.provenance["intake"] = {"basic": {"folder": folder}}
    found = variant_folders(one, tmp_path)
    assert found == {"basic": tmp_path / "base_model", "dilated": tmp_path / "dilated"}
