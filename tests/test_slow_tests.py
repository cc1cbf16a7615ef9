"""Slow tests are few and known by name; `make test` leaves out these alone, and CI runs them."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
SLOW = {
    "test_without_a_part_its_feature_is_off_and_the_rest_answers",
    "test_a_ranker_may_be_fitted_in_any_number_of_steps",
    "test_every_damage_of_the_part_is_refused_or_harmless",
    "test_the_sources_compile_without_a_warning",
    "test_another_process_learns_the_same_to_the_last_bit",
    "test_a_student_that_is_little_like_its_teacher_is_not_used",
    "test_a_training_stopped_in_the_middle_of_an_epoch_ends_as_one_that_was_not",
    "test_exported_graph_answers_like_the_cut_network_alone_and_in_any_batch",
    "test_towers_of_other_shapes_have_graphs_of_their_own",
    "test_no_spoiled_array_gets_past_as_a_foreign_error",
    "test_a_query_of_all_synonyms_costs_a_bounded_number_of_alternatives",
    "test_the_roles_of_known_exports_and_of_their_like",
    "test_the_kernel_gives_what_the_graph_gives",
    "test_a_changed_catalogue_answers_like_one_that_began_so",
    "test_files_say_what_following_the_stream_entry_by_entry_says_however_often_it_fails",
    "test_another_network_stays_a_graph",
    "test_a_primary_that_is_killed_while_a_version_is_published_leaves_it_whole",
    "test_a_network_trains_and_loads_without_a_piece",
    "test_the_tower_before_leaves_nothing_in_the_graph",
    "test_a_shop_among_objects_is_trained_on_published_there_and_served_from_there",
    "test_a_shop_places_new_items_by_what_their_texts_mean_where_training_put_such",
    "test_answers_are_as_announced_and_never_a_server_error",
    "test_rows_in_the_order_of_items_choose_nothing",
    "test_a_real_teacher_has_a_student_that_reads_as_it_does",
    "test_a_round_sends_its_version_to_a_store_of_objects",
    "test_a_primary_that_is_killed_takes_its_people_alone_until_its_replica_takes_over",
    "test_slots_that_move_under_load_lose_nothing_and_fail_no_read",
    "test_a_round_that_is_refused_and_tried_again",
    "test_a_run_killed_in_every_stage_ends_like_one_that_was_not",
    "test_a_run_stopped_in_every_stage_says_how_to_go_on_and_ends_as_one_that_was_not",
    "test_every_damage_of_every_file_is_refused_or_harmless",
    "test_model_is_far_above_popularity_on_a_shop_with_structure",
    "test_model_is_not_above_popularity_when_items_are_permuted_across_users",
    "test_items_that_the_bundle_never_saw_are_put_into_it_and_found",
    "test_killed_run_goes_on_from_its_checkpoint",
    "test_the_same_log_with_its_rows_shuffled_gives_the_same_figures",
    "test_two_processes_that_are_killed_or_stopped_say_so_in_a_line_and_go_on",
    "test_what_shoppers_do_trains_the_next_model",
    "test_with_two_masks_the_ranker_learns_that_what_was_viewed_is_bought",
}
"""Each takes some five seconds of processor time or more, and what it tests cannot be told by less."""


def last_command(target: str) -> str:
    """What make runs at the end for a target."""
    make = ["make", "--dry-run", "--no-print-directory", target]
    return subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def is_slow_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "slow" and ast.unparse(node.value).endswith("mark")


def test_what_make_test_leaves_out_ci_runs() -> None:
    assert last_command("test") == last_command("test-all") + " -m 'not slow'"
    commands = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert "make test-all" in commands
    assert "make test" not in commands


def test_slow_tests_are_those_that_are_known() -> None:
    names, marks = set(), 0
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            marks += is_slow_mark(node)
            if isinstance(node, ast.FunctionDef) and any(map(is_slow_mark, node.decorator_list)):
                names.add(node.name)
    assert names == SLOW
    assert marks == len(SLOW)  # whole files and single parameters are not marked
