"""The commands, named like the library's functions; imports stand inside, so that a command loads what it uses."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from ..errors import BadValue, MissingExtra, UnderOneError
from . import progress, scores, show, timings

app = App(
    name="underone",
    help="Mobile vision networks: folded, verified, measured.",
    help_format="markdown",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
data_app = App(
    name="data",
    help="Look at a data set before it is trained on.\n\n    underone data check photos",
    help_format="markdown",
)
app.command(data_app)

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Flag = Parameter(negative="")


@app.command
def demo(*, output: Output = Path("runs/demo"), quick: Annotated[bool, Flag] = False) -> None:
    """Run the whole flow on real input and write a report.

    `underone demo -o runs/demo`

    Args:
        output: folder for the report, the ONNX files and the Records.
        quick: measure for one second an engine instead of six.
    """
    from ..demo import run_demo

    with progress.steps() as step:
        report = run_demo(output, seconds=1.0 if quick else 6.0, progress=step)
    show.line(f"report: {report}", f"next:   underone predict PHOTO --model {output / 'mobilenet_v2_100.onnx'}")


@app.command(name="list")
def list_(pattern: str = "*", /, *, json: Json = False) -> None:
    """List the networks of the zoo with their published figures and weights.

    `underone list 'mobileone*'`

    Args:
        pattern: shell pattern of names.
        json: print JSON.
    """
    from ..zoo import list_models, model_info

    infos = [model_info(name) for name in list_models(pattern)]
    show.result(infos, json, show.model_table)
    if not infos:
        raise SystemExit(1)


@app.command
def info(name: str, /, *, layers: Annotated[bool, Flag] = False, json: Json = False) -> None:
    """Tell everything about a network of the zoo, or about an ONNX file.

    `underone info mobileone_s0`

    Args:
        name: name in the zoo, or path of an ONNX or .safetensors file.
        layers: list the layers inside that `features` takes instead, with their shapes.
        json: print JSON.
    """
    if layers:
        from .features import describe_layers, show_layers

        show.result(describe_layers(name), json, show_layers)
    elif name.lower().endswith((".onnx", ".safetensors")) or Path(name).is_file():
        from .describe import describe_file

        show.result(describe_file(Path(name)), json, show.mapping)
    else:
        from ..zoo import model_info

        show.result(model_info(name), json, show.mapping)


@app.command
def reparam(checkpoint: str, /, *, output: Output, model: str | None = None, json: Json = False) -> None:
    """Fold a checkpoint into its inference form and certify that nothing changed.

    `underone reparam mobileone_s0_unfused.pth.tar -o mobileone_s0.safetensors`

    Args:
        checkpoint: file in any known layout, or a name of the zoo.
        output: .safetensors (weights) or .onnx (network).
        model: the network; recognised from the file when left out.
        json: print the certificate as JSON.
    """
    from ..conversion import fold_model

    show.result(fold_model(checkpoint, output, model), json, show.verdict)


@app.command
def export(
    source: str,
    /,
    *,
    output: Output,
    to: str = "",
    dtype: Literal["float32", "float16"] = "float32",
    form: Literal["folded", "training"] = "folded",
    nms: Annotated[bool, Flag] = False,
    weights: Literal["int8", "palette4", "palette6", "palette8"] | None = None,
    target: Literal["iOS15", "iOS16", "iOS17", "iOS18"] | None = None,
    json: Json = False,
) -> None:
    """Write a network as a file that other programs run, proven when written.

    `underone export mobilenet_v2_100.torchvision_in1k -o mobilenet.onnx`

    `underone export mobilenet.onnx --to coreml,litert,ncnn -o mobilenet`

    Args:
        source: name of the zoo (with `.tag` for trained weights), checkpoint, or .onnx file.
        output: target file; its suffix is the format: .onnx, .mlpackage (Core ML), .tflite (LiteRT), .xml (OpenVINO),
            .param (ncnn) or .pte (ExecuTorch). With `--to` a folder.
        to: formats of a bundle, separated by commas: onnx, coreml, litert, openvino, ncnn, executorch; or all.
        dtype: number format of weights and arithmetic in the file; inputs and outputs stay float32.
        form: fold first, or keep the training form; an .onnx file keeps the form it has.
        nms: put decoding and NonMaxSuppression behind a detector, inside the file.
        weights: rounded to 8 bits (Core ML, LiteRT), or to tables of 16, 64 or 256 values (Core ML).
        target: the oldest system that is to run a Core ML package; the oldest that can when left out.
        json: print the verdict as JSON.
    """
    from .write import bundle_source, export_source

    if to:
        if nms or weights or target:
            raise BadValue("--nms, --weights and --target are for one file; a bundle holds every format without them")
        show.result(bundle_source(source, output, to, form, dtype), json, show.bundle)
        return
    options = {"dtype": dtype, "nms": nms, "weights": weights, "target": target}
    show.result(export_source(source, output, form, **options), json, show.verdict)


@app.command
def quantize(
    source: Path,
    /,
    *,
    data: Path,
    output: Output,
    images: int = 256,
    calibration: str = "mean",
    remedies: str = "equalization,bias",
    keep: str = "0",
    report: Path | None = None,
    trained: Path | None = None,
    json: Json = False,
) -> None:
    """Quantise a network to 8 bits by unlabelled pictures; what it loses is measured before the file is kept.

    `underone quantize mobilenet.onnx --data photos -o mobilenet_int8.onnx --report doctor`

    Args:
        source: .onnx file in float32, with its spec inside.
        data: folder of pictures such as the network will see, searched with all folders in it; labels are not used.
        output: .onnx file.
        images: pictures that are used, at the most.
        calibration: how the range of an activation is found: minmax, mean, percentile, mse, entropy.
        remedies: what is done against the loss, separated by commas: equalization, bias, rounding, clipping; or all.
        keep: layers that stay in float32: how many, the most sensitive ones, or their names, separated by commas.
        report: folder for the doctor's page: what each layer costs, and what each remedy gains.
        trained: .safetensors of the network in training form; the doctor then names the branches that widened channels.
        json: print the verdict as JSON.
    """
    from .quantize import quantize_file

    with progress.bar() as tell:
        verdict = quantize_file(source, data, output, images, calibration, remedies, keep, report, trained, tell)
    show.result(verdict, json, show.verdict)


@app.command
def verify(file: Path, /, *, against: Path | None = None, backend: str = "auto", json: Json = False) -> None:
    """Compare two files of one network on a photograph, noise, zeros and extremes; exit 1 when they differ.

    `underone verify mobilenet_fp16.onnx --against mobilenet.onnx`

    Args:
        file: the file under test: .onnx, one that `export` writes, or one of another framework. Our own interpreter
            runs .mlpackage and .tflite in the number formats that they are written in; .xml, .param and .pte are run
            by their own engines.
        against: the reference; left out, what `export` proved of the file is shown, if its bytes are still those.
        backend: engine that runs the file under test, if that is .onnx.
        json: print the verdict as JSON.
    """
    from ..formats import verify as verify_file

    verdict = verify_file(file, against, backend=backend)
    show.result(verdict, json, show.verdict)
    if not verdict.passed:
        raise SystemExit(1)


@app.command(name="verify-bundle")
def verify_bundle(folder: Path, /, *, json: Json = False) -> None:
    """Look whether every file of a bundle is what it was, and run every format again; exit 1 when one differs.

    `underone verify-bundle mobilenet`

    Args:
        folder: that `export --to` made.
        json: print the record as JSON.
    """
    from ..formats import verify_bundle as verify_folder

    bundle = verify_folder(folder)
    show.result(bundle, json, show.bundle)
    if not bundle.passed:
        raise SystemExit(1)


@app.command
def doctor(*, json: Json = False) -> None:
    """Say which engines and formats work in this environment, and how the others are installed.

    `underone doctor --json`

    Args:
        json: print JSON.
    """
    from .doctor import findings

    show.result(findings(), json, show.mapping)


@app.command
def convert(
    source: str,
    /,
    *,
    output: Output,
    to: str | None = None,
    inputs: str = "",
    outputs: str = "",
    quantised: Literal["dequantised", "kept"] = "dequantised",
    labels: Path | None = None,
    size: int | None = None,
    json: Json = False,
) -> None:
    """Read a trained network of any framework and write it in our names, or as a network that runs.

    `underone convert mobilenet_v2-b0353104.pth -o mobilenet.onnx`

    Args:
        source: weights or network: .pth, .safetensors, TensorFlow, Keras, Caffe, TFLite or .onnx.
        output: .safetensors (weights, same form) or .onnx (folded network).
        to: name of a network; `graph`: the file's own network as it is; recognised when left out.
        inputs: tensors of the file's own network that are given, separated by commas; its own inputs when left out.
        outputs: tensors of the file's own network that are wanted, separated by commas; its own outputs when left out.
        quantised: of a quantised network: dequantised (float weights) or kept (every tensor rounded as in the file).
        labels: text file with the name of one class a line, where the file does not name them.
        size: side of the pictures in pixels, for weights of a network of the zoo; its own when left out.
        json: print the summary as JSON.
    """
    from ..conversion import convert as convert_file
    from .labels import read_labels

    given, wanted = ([name for name in names.split(",") if name] for names in (inputs, outputs))
    named = read_labels(labels) if labels else ()
    made = convert_file(
        source, output, to, inputs=given, outputs=wanted, quantised=quantised, labels=named, size=size
    )  # fmt: skip
    show.result(made, json, show.conversion)


@app.command
def predict(
    sources: list[str],
    /,
    *,
    model: Path,
    save: Annotated[Path | None, Parameter(name=["--save", "-s"])] = None,
    show_: Annotated[bool, Parameter(name="--show", negative="")] = False,
    policy: Literal["every", "latest"] | None = None,
    top: int | None = None,
    threshold: float | None = None,
    backend: str = "auto",
    threads: int | None = None,
    labels: Path | None = None,
    size: int | None = None,
    reduced: Annotated[bool, Flag] = False,
    tiled: Annotated[bool, Flag] = False,
    fetch: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Say what is on pictures, or on a video.

    `underone predict photo.jpg --model mobilenet.onnx`

    `underone predict street.mp4 --model detector.onnx --save found.mp4`

    Args:
        sources: pictures, folders, or shell patterns; or one video: a file, camera:0, or the address of a stream
            (rtsp://…, https://…), which FFmpeg opens.
        model: an .onnx file with its spec inside; one without needs `labels`.
        save: file or folder for the pictures with the answers drawn on them; of a video, an .mp4, .mkv or .mov.
        show_: of a video: a window with the answers drawn; closing it ends the work.
        policy: of a video: answer `every` frame, or the `latest` and drop those that have become old; cameras and
            addresses are latest, files every, when left out.
        top: number of answers for each picture; 5 classes or all objects when left out.
        threshold: score from which on an object counts, for a detector; as its spec says when left out.
        backend: engine: auto, native, onnxruntime, openvino, mlx, torch, reference.
        threads: threads of the engine; of several pictures as many are answered at a time, each on one.
        labels: text file with the name of one class a line; a file that says no preparation is then fed as ImageNet's
            networks are.
        size: side of the prepared picture in pixels, for a network that takes any size.
        reduced: a classifier sees large JPEG files decoded at a part of their size: faster, slightly other scores.
        tiled: a segmenter sees a large picture in tiles of its own size, at their full resolution.
        fetch: https addresses are those of pictures, and are fetched. Without it a lone address is that of a video,
            unless it ends as a picture's does; and other addresses are refused.
        json: print one JSON object a picture, or a frame.
    """
    from .predict import Asked, predict_pictures
    from .video import names_video, predict_video

    asked = Asked(model, top, backend, threads, labels, size, threshold, reduced, tiled)
    if len(sources) == 1 and not fetch and names_video(sources[0]):
        predict_video(sources[0], asked, save, policy, json, show_)
        return
    if policy is not None or show_:
        given = "--show" if show_ else f"--policy {policy}"
        raise BadValue(f"{given} is for one video; {', '.join(sources)} was given")
    failed = predict_pictures(sources, asked, save, json, fetch)
    if failed:
        raise SystemExit(1)


@app.command
def features(
    sources: list[str],
    /,
    *,
    model: str,
    output: Output,
    layers: str = "",
    pool: Annotated[bool, Flag] = False,
    backend: str = "auto",
    threads: int | None = None,
    json: Json = False,
) -> None:
    """Write what layers inside a network say of pictures, for a head of your own or for `neighbours`.

    `underone features photos --model mobilenet.onnx -o photos.npz`

    `underone features photo.jpg --model mobileone_s0 --layers stage2,stage4 -o maps.npz`

    Args:
        sources: pictures, folders, or shell patterns.
        model: an .onnx file with its spec inside, a name of the zoo (with `.tag` for trained weights), or a checkpoint.
        output: .npz file: `files`, and an array with a row for each picture for each layer.
        layers: names, separated by commas, as `underone info MODEL --layers` lists them; when left out, the layer that
            the network itself averages last, averaged.
        pool: average each map over its places: one vector for a picture and a layer.
        backend: engine: auto, native, onnxruntime, openvino, mlx, torch, reference.
        threads: threads of the engine.
        json: print what was written as JSON.
    """
    from .features import Engines, write_features

    show.result(write_features(sources, Engines(model, backend, threads), layers, pool, output), json, show.mapping)


@app.command
def neighbours(
    picture: Path,
    /,
    *,
    index: Path,
    model: str,
    top: int = 5,
    sheet: Path | None = None,
    backend: str = "auto",
    threads: int | None = None,
    json: Json = False,
) -> None:
    """Find the pictures that look most like one, among those whose features were written.

    `underone neighbours photo.jpg --index photos.npz --model mobilenet.onnx --sheet alike.jpg`

    Args:
        picture: to compare with.
        index: .npz file that `underone features` wrote with the same model and one layer.
        model: as for `features`.
        top: number of answers.
        sheet: JPEG file for the picture and its neighbours side by side.
        backend: engine: auto, native, onnxruntime, openvino, mlx, torch, reference.
        threads: threads of the engine.
        json: print files and similarities as JSON.
    """
    from .features import Engines, find_neighbours, show_neighbours

    found = find_neighbours(picture, index, Engines(model, backend, threads), top, sheet)
    show.result([neighbour._asdict() for neighbour in found] if json else found, json, show_neighbours)


@app.command
def bench(
    files: list[Path],
    /,
    *,
    backends: str = "auto",
    threads: str = "1",
    precision: str = "float32",
    size: int | None = None,
    batch: int = 1,
    flow: Literal["calls", "stream", "answers"] = "calls",
    runs: int = 1000,
    seconds: float = 10.0,
    processes: int = 3,
    figures: str = "",
    profile: Annotated[bool, Flag] = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json: Json = False,
) -> None:
    """Measure files on engines that take turns, outputs compared first; print ratios. Or time the layers of one engine.

    `underone bench mobilenet.onnx --backends onnxruntime,openvino --threads 1,2`

    `underone bench mobilenet.onnx --profile --precision bfloat16 -o layers.png`

    Args:
        files: .onnx files.
        backends: engines, separated by commas; `auto`: all that are installed, but for the slow reference.
        threads: numbers of threads, separated by commas.
        precision: number formats to calculate in, separated by commas: float32, bfloat16, float16.
        size: side of the pictures in pixels, for networks that take any size.
        batch: pictures a call, for networks that take any number.
        flow: calls (from array to array, one after another), stream (a decoded photograph through three slots,
            prepared and run), or answers (the same, to labels, boxes or a mask).
        runs: calls of each engine at the most; 1000 gives the paper's figure.
        seconds: time for each engine at the most.
        processes: fresh processes that the rounds are spread over.
        figures: what published protocols make of the samples, with 95 % intervals, separated by commas: paper (minimum
            of 1000), modelbench (20 x 50, trimmed), xcode (median), trimmed-mean-20 (ExecuTorch's), throughput (mean
            of a picture), sustained (last quarter of half an hour: --seconds 1800 --runs 1000000).
        profile: time every layer on our own engine instead, and print what it costs.
        output: folder that the Records are written to; of a profile, the plot, or a folder for plots.
        json: print the Records, or the profiles, as JSON.
    """
    from .measure import bench_files, profile_files, protocols

    stated = protocols(figures)
    if profile:
        show.result(profile_files(files, threads, precision, size, min(runs, 100), output), json, timings.profiles)
        return
    with progress.bar() as tell:
        records = bench_files(
            files, backends, threads, precision, size, batch, flow, runs, seconds, processes, output, stated, tell
        )
    show.result(records, json, partial(timings.records, stated=stated))


@app.command
def study(
    name: Literal[
        "correlation",
        "activations",
        "blocks",
        "scaling",
        "imagenet",
        "mobilenets",
        "detection",
        "segmentation",
        "metalnet",
        "all",
    ],
    /,
    *,
    output: Output = Path("runs/study"),
    quick: Annotated[bool, Flag] = False,
    again: Annotated[bool, Flag] = False,
    engines: str = "native,onnxruntime,openvino",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
    models: Path | None = None,
    json: Json = False,
) -> None:
    """Measure what latency depends on, over many networks, in turns with one that shows how steady the machine is.

    `underone study all --quick -o runs/study`

    Stopped and called again, it goes on where it was; `--again` begins anew.

    Args:
        name: correlation (latency against MACs, parameters, bytes, depth), activations, blocks (skips, squeeze and
            excitation, branches), scaling (width, depth, resolution, batch, threads), imagenet (the table of
            MobileOne's paper), mobilenets (V1 and V2 by width and size of picture), detection, segmentation (those of
            the paper's table 11), metalnet (frames a second beside the Metal library's), or all.
        output: folder for the trials and the page, report.html.
        quick: half a second for each engine and network instead of two.
        again: measure also what was measured on this machine before.
        engines: separated by commas; the first one is set against the paper.
        precision: number format to calculate in; int8: files quantised by the packaged photographs.
        models: folder of the networks' ONNX files, kept for the next time; in the cache when left out.
        json: print the trials as JSON.
    """
    from .study import run

    with progress.bar() as tell:
        trials = run(name, output, engines, precision, models, tell, quick=quick, again=again)
    show.result(trials, json, timings.trials)
    if not json:
        show.line(f"report: {output / 'report.html'}")


@app.command(name="choose")
def choose_(
    *,
    budget: str,
    task: Literal["classify", "detect", "segment"] = "classify",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
    engine: str | None = None,
    study: Path = Path("runs/study"),
    models: Path | None = None,
    quick: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Pick the most accurate network within a time, from what a study measured here, and measure it again.

    `underone choose --budget 2ms --task classify`

    Exit 1 when nothing holds the budget.

    Args:
        budget: milliseconds for one picture on one thread, from array to array (2ms), or pictures a second (30fps).
        task: classify, detect or segment: from trials of the studies imagenet and mobilenets, detection, segmentation.
        precision: number format to calculate in; accuracies of int8 are those of the float32 networks.
        engine: that will run it; the fastest one for each network when left out.
        study: folder of the study with the trials.
        models: folder of the networks' ONNX files; in the cache when left out.
        quick: measure for half a second instead of two.
        json: print the front as JSON, what was chosen last.
    """
    from .study import pick

    front, best = pick(study, budget, task, precision, engine, models, quick)
    show.result([*front, *([best] if best else [])], json, partial(timings.choices, best=best, task=task))
    if best is None:
        raise SystemExit(1)


@app.command
def report(folder: Path, /, *, output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None) -> None:
    """Draw the page of a study again from its trials, or one of the Records of `bench`, here or on another machine.

    `underone report runs/study`

    Args:
        folder: that `study`, or `bench --output`, wrote.
        output: folder for report.html and the plots; the same when left out.
    """
    from .study import draw

    show.line(f"report: {draw(folder, output)}")


@app.command
def train(
    recipe: str,
    changes: list[str] | None = None,
    /,
    *,
    data: Path,
    output: Output,
    resume: Annotated[bool, Flag] = False,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    workers: int | None = None,
    ray: int | None = None,
    loggers: str = "",
    json: Json = False,
) -> None:
    """Train a network by a recipe; Ctrl-C saves, `--resume` goes on to the same weights.

    `underone train finetune epochs=8 --data photos -o runs/photos`

    Args:
        recipe: name of a recipe (for classes finetune, scratch, distill, quantize, mobileone_in1k, mobilenet_v2_in1k;
            for objects finetune_detection, ssdlite_voc, ssdlite320_mobileone_coco; for masks finetune_segmentation,
            deeplabv3_mobileone_voc, deeplabv3_mobileone_ade20k; with _smoke for a try of seconds), or the recipe.yaml
            of a run.
        changes: key=value of the recipe, for example model=mobileone_s0 lr=0.05.
        data: folder with train, validation and perhaps test: folders of classes, CSV tables or tar shards; for objects
            boxes as COCO, VOC and YOLO write them, or CSV tables with a row for each; for masks lists of pairs,
            VOC's lists, or folders with images and masks.
        output: folder of the run.
        resume: go on from the folder's last state.
        device: that trains; with `--ray` cpu or cuda.
        workers: processes that read pictures ahead; chosen by the machine when left out.
        ray: number of processes that Ray Train starts; none when left out.
        loggers: tensorboard, trackio, separated by commas.
        json: print the result as JSON.
    """
    from .training import leads, next_command, train_recipe

    result = train_recipe(
        recipe, changes or [], data, output, resume,
        device=device, workers=workers, ray=ray, loggers=tuple(filter(None, loggers.split(","))),
    )  # fmt: skip
    if leads():
        show.result(result, json, scores.trained)
    if leads() and not json:
        show.line(f"next:       {next_command(result)}")


@data_app.command(name="check")
def check_data(
    folder: Path,
    /,
    *,
    task: Literal["classify", "detect", "segment"] | None = None,
    sheet: Path | None = None,
    json: Json = False,
) -> None:
    """Read every picture of a data set and say what is wrong with it; exit 1 when training would suffer.

    `underone data check photos`

    Args:
        folder: with train, validation and perhaps test: folders of classes, CSV tables or tar shards; or boxes as
            COCO, VOC and YOLO write them, or CSV tables with a row for each; or masks.
        task: what the data are to train, where they have boxes and masks, as Pascal VOC; when left out boxes, masks or
            classes, the first that are there.
        sheet: JPEG file for the pictures with wrong boxes or masks.
        json: print counts and all findings as JSON.
    """
    from .data import check_folder, report

    found = check_folder(folder, sheet, task)
    show.result(found, json, report)
    if found.errors:
        raise SystemExit(1)


@app.command(name="eval")
def evaluate(
    model: Path,
    /,
    *,
    data: Path,
    backend: str = "auto",
    threads: int | None = None,
    precision: str | None = None,
    scales: str = "1",
    flip: Annotated[bool, Flag] = False,
    tiled: Annotated[bool, Flag] = False,
    reduced: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Score a network on pictures with known answers.

    `underone eval mobilenet.onnx --data photos/test`

    Args:
        model: .onnx file with its spec inside, or weights of ours or any known layout.
        data: folder of class folders, CSV table, or tar shards; for a detector a COCO file, a VOC list, a CSV table of
            boxes or a YOLO folder; for a segmenter a list of pairs, or a folder with images and masks.
        backend: engine: auto, native, onnxruntime, openvino, mlx, torch, reference.
        threads: threads of the engine.
        precision: number format that the engine calculates in: float32, bfloat16.
        scales: factors of a segmenter's size, separated by commas, whose answers are averaged.
        flip: a segmenter looks at each picture in the mirror too.
        tiled: a segmenter sees pictures in tiles of its own size, at their full resolution.
        reduced: a classifier sees large JPEG files decoded at a part of their size: faster, slightly other scores.
        json: print the score as JSON.
    """
    from .training import evaluate_model

    looks = {"flip": flip, "tiled": tiled, "reduced": reduced}
    found = evaluate_model(model, data, scales, backend=backend, threads=threads, precision=precision, **looks)
    show.result(found, json, scores.score)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 failed (one line says why), 2 wrong usage."""
    try:
        with show.messages():
            app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        show.error(f"{' '.join(str(error).split())} (underone --help shows the usage)")
        sys.exit(2)
    except UnderOneError as error:
        show.error(str(error))
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        show.error(str(MissingExtra("this command", "torch", "train")))
        sys.exit(1)
    except KeyboardInterrupt:
        show.error("interrupted; nothing was left half written")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(0)
