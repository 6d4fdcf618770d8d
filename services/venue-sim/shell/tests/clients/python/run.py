"""Runs one scenario of one client: `run.py PROGRAM MODULE FUNCTION`, in namespaces of its own (see exchange.py)."""

import asyncio
import importlib
import inspect
import sys
import traceback

import exchange

# Exchanges that differ from the usual one, which has no rate limits.
SPECIAL = {
    "limits": {"tier": "intermediate"},
    "contracts": {"venue": "kraken-futures"},
    "post_only_at_once": {"settings": '[venue_sim]\npost_only = "immediate_error"\n'},
}


def main():
    program, module, function = sys.argv[1:4]
    with exchange.private_folder() as folder:
        exchange.enter_namespace(folder)
        market = exchange.Exchange(program, folder, **SPECIAL.get(function, {"tier": "unlimited"}))
        try:
            # Some TLS libraries read what to trust when they are imported: the exchange is there first.
            scenario = getattr(importlib.import_module(module), function)
            if inspect.iscoroutinefunction(scenario):
                asyncio.run(asyncio.wait_for(scenario(market), timeout=150))
            else:
                scenario(market)
            market.stop()
        except BaseException:
            traceback.print_exc()
            print("--- the simulator said:", file=sys.stderr)
            print(market.said()[-4000:], file=sys.stderr)
            raise SystemExit(1)
        finally:
            if market.process.poll() is None:
                market.process.kill()
    print("done")


if __name__ == "__main__":
    main()
