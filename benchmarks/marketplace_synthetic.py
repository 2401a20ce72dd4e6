"""The marketplace preset over characters that nobody tuned to: which rules break, and how often.

    python -m benchmarks.marketplace_synthetic [--count 50] [--seed 0] [--body-type normal]
                                               [--keep out/synthetic] [--khronos] [--only 3 17]

Makes the characters, sets each up for every body type in one process, and has the finished file
judged by ``rigline validate``, its parts by manifold3d and, where npm's gltf-validator is installed
(``npm ci`` in tests/gltf_validator), the whole by Khronos. Prints a line a run and a table by rule;
``--keep`` is where inputs, avatars and a picture of each are written.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.marketplace import (
    BODY_TYPES,
    VALIDATOR,
    Done,
    khronos_errors,
    run_bytes,
    watertight,
)
from benchmarks.synthetic_characters import synthetic_characters
from rigline.bootstrap import in_memory, open_services
from rigline.delivery import write_file


def main() -> None:
    parser = argparse.ArgumentParser(description="Set up synthetic characters and count rules.")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--body-type", choices=BODY_TYPES, help="by default all three")
    parser.add_argument("--keep", type=Path, default=Path("out/marketplace_synthetic"))
    parser.add_argument("--khronos", action="store_true")
    parser.add_argument("--only", nargs="*", type=int, help="these numbers of the characters alone")
    args = parser.parse_args()
    if args.khronos and not (VALIDATOR / "node_modules").is_dir():
        parser.error(f"--khronos needs the validator: run npm ci in {VALIDATOR}")
    services = in_memory(open_services())
    body_types = (args.body_type,) if args.body_type else BODY_TYPES
    broken: Counter[str] = Counter()
    clean = explained = closed = runs = invalid = 0
    seconds = []
    for number, character in enumerate(synthetic_characters(args.count, args.seed)):
        if args.only and number not in args.only:
            continue
        write_file(args.keep / f"{character.name}.glb", character.glb)
        for body_type in body_types:
            started = time.process_time()
            try:
                done = run_bytes(services, character.glb, f"{character.name}.glb", body_type)
            except Exception as error:  # a run that fails is a line of the table
                broken[f"failed: {type(error).__name__}"] += 1
                print(f"{character.name:24s} {body_type:8s} FAILED {error}", flush=True)
                runs += 1
                continue
            seconds.append(time.process_time() - started)
            runs += 1
            tight = watertight(done.values["fit"].body)
            closed += tight == 15
            clean += not done.errors
            explained += bool(done.errors) and not done.unexplained
            broken.update(_rules(done))
            out = args.keep / f"{character.name}.{body_type}.glb"
            write_file(out, done.values["assemble"])
            write_file(out.with_suffix(".png"), done.values["picture"])
            found = khronos_errors(out) if args.khronos else 0
            invalid += found > 0
            print(
                f"{character.name:24s} {body_type:8s} {character.triangles:6d} triangles, closed "
                f"{tight:2d}, {seconds[-1]:5.2f} s, {done.in_words()}",
                flush=True,
            )
    print(f"\n{clean} of {runs} runs break no error rule; all parts closed in {closed}")
    print(f"of {explained} more the report names a rule of the input for every broken rule")
    if args.khronos:
        print(f"Khronos finds errors in {invalid}")
    print(f"median {np.median(seconds):.2f} CPU s a run (later body types reuse the first's work)")
    for rule, number in broken.most_common():
        print(f"  {rule:32s} {number}")


def _rules(done: Done) -> list[str]:
    return sorted({words.split(" ")[0] for words in done.errors})


if __name__ == "__main__":
    main()
