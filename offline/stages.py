"""The stages of the job in their order: what each does, leaves, and depends on; a table of contents."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from app.artifact.bundle_store import POINTER, resolve, versions
from app.artifact.manifest import read_manifest
from app.artifact.names import RANK_GRAPH, SCHEMA_VERSION
from app.engine.loading import load_snapshot
from offline.compress.apply import apply_compression, load_compressed
from offline.compress.choice import COMPRESS_FILE, read_choice
from offline.compress.compress import compress
from offline.dataset.catalogue_mark import catalogue_key
from offline.dataset.erased import known_erasures
from offline.dataset.split_meta import META_FILE, read_split_meta
from offline.dataset.synonyms import read_synonyms, synonyms_key
from offline.evaluation.document import EvaluationDocument
from offline.evaluation.evaluate import evaluate
from offline.evaluation.protocol import validates
from offline.evaluation.timings import cut_results, timings_of
from offline.export.bundle import export_bundle, record_metrics
from offline.export.inputs import ExportInputs, MeaningInputs
from offline.graph.build import GRAPH_FILE, build_graph, check_graph, item_graph, read_graph, read_meaning
from offline.ingest.ingest import SUMMARY_FILE, ingest
from offline.online_metrics.figures import ONLINE_WINDOW_S, evaluate_online
from offline.online_metrics.logs import was_collected
from offline.options import MEASURED
from offline.ranking.order_on_test import drop_order, order_notes
from offline.ranking.search_weights import fit_search, has_searches, read_search_spec
from offline.ranking.train_ranker import HISTORY_FILE as RANKER_HISTORY
from offline.ranking.train_ranker import feature_groups, no_ranker, train_ranker
from offline.report.render import write_report
from offline.serve.whole_bundle import serve_measured, serve_whole
from offline.split.fresh_valid import keep_fresh_valid
from offline.split.split import split
from offline.split.withhold import withhold
from offline.stage import (
    Stage,
    StageContext,
    file_states,
    warm_start_key,
    withhold_key,
)
from offline.student.distil import Places, distil
from offline.student.files import STUDENT, STUDENT_FILE, read_student
from offline.student.item_meaning import item_meaning
from offline.student.measure import LEAST_FAITHFUL, faithfulness
from offline.synonyms.proposals import propose_synonyms
from offline.teacher.chosen import chosen_teacher, teacher_key
from offline.teacher.embed import embed_items
from offline.teacher.store import VECTORS_FILE
from offline.training import refit as refitting
from offline.training.refit import refit
from offline.training.settings import check_switches, choose_settings, has_content
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.trained import HISTORY_FILE, Trained, epochs_of, load_trained, save_trained
from offline.training.warm_start import WarmStart, plan_warm_start
from offline.workspace.atomic import write_json
from offline.workspace.budget import Allowance
from offline.workspace.run_folder import RunFolder, reset_if_stale

LEAST_SEARCH_S = 300.0
"""The search for smaller variants may take so long without a budget, however short training was."""
VERSION = 9
"""Part of every stage's key, through the first one: raised when several stages write something else than before."""


def _ingest(context: StageContext) -> dict[str, Any]:
    summary = ingest(
        context.spec, context.folder.ingested, context.progress, max_bad_share=context.options.max_bad_share
    )
    return {name: summary[name] for name in ("events", "items", "fingerprint")}


def _embed(context: StageContext) -> dict[str, Any]:
    folder, options = context.folder, context.options
    teacher = chosen_teacher(context.spec, options.teacher)
    if teacher is None:
        shutil.rmtree(folder.embed, ignore_errors=True)
        return {"teacher": None}
    earlier = [] if options.warm_from is None else [RunFolder(options.warm_from).embed]
    embedded = embed_items(
        pl.read_parquet(folder.ingested / "items.parquet"),
        teacher,
        folder.embed,
        earlier=earlier,
        device=context.device,
        say=context.display.say,
        progress=context.progress,
    )
    return {"teacher": str(teacher.path), **asdict(embedded)}


def _embed_marker(folder: RunFolder) -> Path:
    """The vectors; without a teacher nothing but the run itself."""
    results = folder.record().get("embed", {}).get("results", {})
    return folder.embed / VECTORS_FILE if results.get("teacher") else folder.path


def _split(context: StageContext) -> dict[str, Any]:
    options, folder = context.options, context.folder
    out = folder.whole if options.withhold else folder.split
    meta = split(folder.ingested, out, context.spec, options.seed, options.split, progress=context.progress)
    if options.withhold:
        withhold(folder.whole, folder.split, options.withhold, options.seed)
    if options.warm_from is not None and not meta.by_time:
        earlier = RunFolder(options.warm_from).split
        if (earlier / META_FILE).exists():
            keep_fresh_valid(folder.split, earlier)
    document = meta.document()
    return {name: document[name] for name in ("how", "n_users", "n_items", "counts")}


def _graph(context: StageContext) -> dict[str, Any]:
    without = check_switches(context.options.without)
    folder, progress = context.folder, context.progress
    meaning = None
    if (
        "text" not in without and read_split_meta(folder.split).counts["train"].events
    ):  # else there is nothing to weigh it by
        meaning = item_meaning(folder.distil, pl.read_parquet(folder.split / "items.parquet").sort("row"), progress)
    edges = build_graph(folder.split, folder.graph, without=without, meaning=meaning, progress=progress)
    return {"edges": edges} | ({} if meaning is None else {"meaning": int(meaning.any(axis=1).sum())})


def _train(context: StageContext) -> dict[str, Any]:
    folder, options = context.folder, context.options
    reset_if_stale(folder.train, context.key)
    meta = read_split_meta(folder.split)
    graph = item_graph(read_graph(folder.graph))
    settings = choose_settings(
        meta, options.seed, options.overrides, content=has_content(graph), without=options.without
    )
    check_graph(folder.graph, settings.without)
    warm = WarmStart(settings, None, {})
    if options.warm_from is not None:
        warm = plan_warm_start(RunFolder(options.warm_from), folder, graph, settings, options.warm_epochs)
    trained = train(
        TrainInputs(folder.split, graph, warm.settings, graph_folder=folder.graph),
        folder.train,
        device=context.device,
        allowance=context.allowance,
        progress=context.training,
        begin=warm.begin,
        ranks=context.ranks,
    )
    return {name: trained.record[name] for name in ("device", "metric", "best")} | {
        "epochs": epochs_of(trained.record),
        **cut_results(trained.record["cut_short"]),
        **({"start": warm.record} if warm.record else {}),
    }


def _compress(context: StageContext) -> dict[str, Any]:
    folder, options = context.folder, context.options
    reset_if_stale(folder.compress, context.key)
    choice = compress(
        load_trained(folder.split, item_graph(read_graph(folder.graph)), folder.train),
        folder.split,
        folder.compress,
        weight_bits=options.weight_bits,
        max_loss=options.max_loss,
        device=context.device,
        allowance=_search_allowance(context),
        progress=context.progress,
    )
    return {
        "variant": choice.variant,
        "users": choice.users,
        "variants": len(choice.table),
        **cut_results(choice.cut_short),
    }


def _search_allowance(context: StageContext) -> Allowance:
    """The budget's share; without a budget half of what training took, and five minutes at least."""
    allowance = context.allowance
    if allowance.seconds is not None:
        return allowance
    train_s = context.folder.record().get("train", {}).get("seconds", 0.0)
    return replace(allowance, seconds=max(LEAST_SEARCH_S, train_s / 2))


def _distil(context: StageContext) -> dict[str, Any]:
    folder, options = context.folder, context.options
    teacher = chosen_teacher(context.spec, options.teacher)
    if teacher is None:
        shutil.rmtree(folder.distil, ignore_errors=True)
        return {"teacher": None}
    earlier = None if options.warm_from is None else RunFolder(options.warm_from).distil
    student = distil(
        Places(folder.split, folder.embed, earlier),
        teacher,
        folder.distil,
        seed=options.seed,
        bits=options.weight_bits,
        device=context.device,
        say=context.display.say,
        progress=context.progress,
    )
    if isinstance(student, str):
        shutil.rmtree(folder.distil, ignore_errors=True)
        context.display.say(f"no student is made of this teacher: {student}")
        return {"teacher": str(teacher.path), "student": None, "reason": student}
    if not student.is_used:
        share = faithfulness(student.figures)
        why = (
            f"of ten items that its teacher finds, it finds {share:.0%}, less than {LEAST_FAITHFUL:.0%}; another "
            "teacher, or more texts, may have one that is"
            if share is not None
            else "the catalogue has too few texts to tell whether it is like its teacher"
        )
        context.display.say(f"the student is not used, and searches are as without a teacher: {why}")
    return {"teacher": str(teacher.path), "student": student.figures}


def _distil_marker(folder: RunFolder) -> Path:
    """The student; where there is none, nothing but the run itself."""
    results = folder.record().get("distil", {}).get("results", {})
    return folder.distil / STUDENT / STUDENT_FILE if results.get("student") else folder.path


def _meaning(folder: RunFolder) -> MeaningInputs | None:
    student = read_student(folder.distil)
    return MeaningInputs(folder.distil, folder.embed) if student is not None and student.is_used else None


def _rank(context: StageContext) -> dict[str, Any]:
    """The ranker learns what retrieval was not told: the bundle behind it knows train, and its labels are valid."""
    folder, options = context.folder, context.options
    if not validates(folder.split):
        no_ranker(folder.rank, "nobody is validated")
        return {"ranker": None}
    inputs = ExportInputs(
        load_compressed(folder.split, item_graph(read_graph(folder.graph)), folder.train, folder.compress),
        folder.split,
        folder.graph,
        parts=("train",),
        weight_bits=read_choice(folder.compress).recipe.weight_bits,
        meaning=_meaning(folder),
    )
    exported = export_bundle(inputs, folder.rank_bundle, progress=context.progress)
    snapshot = load_snapshot(exported.folder, threads=0)
    allowance = context.allowance
    learns_searches = snapshot.search is not None and has_searches(read_split_meta(folder.split))
    ranker = train_ranker(
        snapshot,
        folder.split,
        folder.rank,
        seed=options.seed,
        allowance=allowance.part(0.6 if learns_searches else 1.0),
        progress=context.progress,
    )
    search = fit_search(
        snapshot, folder.split, folder.rank, seed=options.seed, allowance=allowance, progress=context.progress
    )
    shutil.rmtree(folder.rank_bundle)
    return {
        "ranker": None if ranker is None else asdict(ranker),
        **({} if search is None else {"search": asdict(search)}),
        **cut_results(None if ranker is None else ranker.cut_short, None if search is None else search.cut_short),
    }


def _refit(context: StageContext) -> dict[str, Any]:
    """The final network, with the compression that was chosen on the first one."""
    folder = context.folder
    if not validates(folder.split):  # the first training saw all there is
        shutil.rmtree(folder.refit, ignore_errors=True)
        return {"epochs": 0}
    reset_if_stale(folder.refit, context.key)
    choice = read_choice(folder.compress)
    trained = refit(
        folder.split,
        folder.train,
        folder.refit,
        device=context.device,
        meaning=read_meaning(folder.graph),
        allowance=context.allowance.sooner(choice.make_s),
        progress=context.progress,
        training=context.training,
        ranks=context.ranks,
    )
    cut = apply_compression(trained, folder.split, choice, refitting.PARTS, device=context.device)
    save_trained(cut, folder.refit / refitting.FINAL)
    return {"epochs": epochs_of(trained.record), **cut_results(trained.record["cut_short"])}


def _final_network(folder: RunFolder, *, refit: bool) -> tuple[Path, Trained]:
    """The folder of the graph, and the network that the bundle is made of."""
    final = folder.refit / refitting.FINAL
    if refit and (final / HISTORY_FILE).exists():
        graph = folder.refit / refitting.GRAPH
        return graph, load_trained(folder.split, item_graph(read_graph(graph)), final)
    first = item_graph(read_graph(folder.graph))
    return folder.graph, load_compressed(folder.split, first, folder.train, folder.compress)


def _export_inputs(context: StageContext) -> ExportInputs:
    """What the measured bundle is made of."""
    folder = context.folder
    choice = read_choice(folder.compress)
    graph, trained = _final_network(folder, refit=context.options.refit)
    return ExportInputs(
        trained,
        folder.split,
        graph,
        ranker=folder.rank if (folder.rank / RANK_GRAPH).exists() else None,
        search=read_search_spec(folder.rank),
        weight_bits=choice.recipe.weight_bits,
        compression=choice.table,
        erased=known_erasures(context.spec.root, folder.bundles),
        synonyms=read_synonyms(context.spec),
        meaning=_meaning(folder),
    )


def _export(context: StageContext) -> dict[str, Any]:
    store = context.folder.measured
    exported = export_bundle(_export_inputs(context), store, progress=context.progress)
    for version in versions(store):  # nobody is served from there, so that nobody goes back
        if version != exported.version:
            shutil.rmtree(store / version)
    return {"version": exported.version, "overlap_at_10": exported.fidelity.overlap_at_10}


def _evaluate(context: StageContext) -> dict[str, Any]:
    """Score the bundle; where its ranker turns out to order surely worse than retrieval, make it anew without."""
    folder = context.folder
    document = _measure(context)
    if drop_order(folder.rank, EvaluationDocument.of(document)):
        _export(context)
        document = _measure(context)
    document["notes"] = [*document["notes"], *order_notes(folder.rank)]
    bundle = resolve(folder.measured)
    manifest = read_manifest(bundle)
    document["timings"] = timings_of(folder.record(), manifest, context.options.budget_s)
    document["feature_groups"] = feature_groups(folder.rank)
    record_metrics(bundle, document)
    document["synonyms"] = propose_synonyms(context.spec.root, folder.split, read_synonyms(context.spec))
    student = folder.record().get("distil", {}).get("results", {}).get("student")
    if student is not None:
        document["student"] = student
    write_json(folder.report, document)
    return document


def _measure(context: StageContext) -> dict[str, Any]:
    options, folder = context.options, context.folder
    return evaluate(
        folder.measured, folder.split, seed=options.seed, baselines=options.baselines, progress=context.progress
    )


def _serve(context: StageContext) -> dict[str, Any]:
    """What is served: the measured network on the whole log, or the measured version itself."""
    folder, serve = context.folder, context.options.serve
    held_back = read_split_meta(folder.split).held_back
    if serve == MEASURED or not held_back:
        reason = "as --serve measured says" if serve == MEASURED else "no event was held back from it"
        document = serve_measured(folder, reason)
    else:
        document = serve_whole(folder, _export_inputs(context), seed=context.options.seed, progress=context.progress)
    return document.model_dump(mode="json", exclude={"drift", "drift_before"}) | {"is_past": document.is_past}


def _report(context: StageContext) -> dict[str, Any]:
    if was_collected(context.spec.root):
        document = evaluate_online(context.spec.root, ONLINE_WINDOW_S, seed=context.options.seed)
        write_json(context.folder.live, document)
    else:
        context.folder.live.unlink(missing_ok=True)
    verdict = write_report(context.folder)
    against = [finding.json() for finding in verdict.against()]
    return {"page": context.folder.page.name, "verdict": verdict.decision, "against": against}


STAGES = (
    Stage(
        "ingest",
        _ingest,
        marker=lambda folder: folder.ingested / SUMMARY_FILE,
        outputs=lambda folder: (folder.ingested,),
        key=lambda spec, options: [
            spec.toml.text,
            file_states(spec),
            options.max_bad_share,
            *catalogue_key(spec.root),
        ],
        version=VERSION,
    ),
    Stage(
        "embed",
        _embed,
        marker=_embed_marker,
        outputs=lambda folder: (folder.embed,),
        key=lambda spec, options: teacher_key(spec, options.teacher),
        optional=True,
    ),
    Stage(
        "split",
        _split,
        marker=lambda folder: folder.split / META_FILE,
        outputs=lambda folder: (folder.whole, folder.split),
        key=lambda _, options: [options.split, options.seed, *withhold_key(options), *warm_start_key(options)],
        version=3,
    ),
    Stage(
        "distil",
        _distil,
        marker=_distil_marker,
        outputs=lambda folder: (folder.distil,),
        key=lambda spec, options: ["a student"] if teacher_key(spec, options.teacher) else [],
        version=1,
        optional=True,
    ),
    Stage(
        "graph",
        _graph,
        marker=lambda folder: folder.graph / GRAPH_FILE,
        outputs=lambda folder: (folder.graph,),
        key=lambda _, options: [options.without],
    ),
    Stage(
        "train",
        _train,
        marker=lambda folder: folder.train / HISTORY_FILE,
        outputs=lambda folder: (folder.train,),
        key=lambda _, options: [options.seed, options.overrides, options.budget_s, *warm_start_key(options)],
    ),
    Stage(
        "compress",
        _compress,
        marker=lambda folder: folder.compress / COMPRESS_FILE,
        outputs=lambda folder: (folder.compress,),
        key=lambda _, options: [options.weight_bits, options.max_loss],
    ),
    Stage(
        "rank",
        _rank,
        marker=lambda folder: folder.rank / RANKER_HISTORY,
        outputs=lambda folder: (folder.rank, folder.rank_bundle),
        key=lambda _spec, _options: [],
        version=6,
    ),
    Stage(
        "refit",
        _refit,
        marker=lambda folder: folder.path,  # without valid events there is nothing to refit, and no folder
        outputs=lambda folder: (folder.refit,),
        key=lambda _, options: [options.refit],
    ),
    Stage(
        "export",
        _export,
        marker=lambda folder: folder.measured / POINTER,
        outputs=lambda folder: (folder.measured,),
        key=lambda spec, options: [
            SCHEMA_VERSION,
            *([options.erased] if options.erased else []),
            *synonyms_key(spec),
        ],
        version=8,
    ),
    Stage(
        "evaluate",
        _evaluate,
        marker=lambda folder: folder.report,
        outputs=lambda folder: (folder.report,),
        key=lambda _, options: [options.baselines],
        version=3,
    ),
    Stage(
        "serve",
        _serve,
        marker=lambda folder: folder.bundles / POINTER,
        outputs=lambda folder: (folder.serve, folder.serving, folder.bundles),
        key=lambda _, options: [options.serve],
    ),
    Stage(
        "report",
        _report,
        marker=lambda folder: folder.page,
        outputs=lambda folder: (folder.live, folder.page),
        key=lambda _spec, _options: [],
    ),
)
"""All stages in their order."""

STAGE_NAMES = tuple(stage.name for stage in STAGES)
