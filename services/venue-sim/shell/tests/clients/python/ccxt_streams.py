"""ccxt.pro over WebSocket v2, with its own default hosts: public streams, private streams, trading.

ccxt's book checksum cannot run in Python: its books hold floats, and the check splits texts (`format_number` of its
pro/kraken.py). So its books are compared with what REST tells; python-kraken-sdk verifies checksums (sdk_streams.py).
"""

import asyncio
from decimal import Decimal as D

import ccxt.pro
from ccxt_rest import BTC, levels, owned
from ccxt_rest import client as rest_client
from money import MAKER, TAKER, settled, spent


def client(exchange, name="maker-trading", **options):
    key, secret = exchange.keys[name]
    # Trusting the environment's CA file is ccxt's own option; its pacing is for the real venue.
    options["include_OS_certificates"] = True
    return ccxt.pro.kraken({"apiKey": key, "secret": secret, "enableRateLimit": False, "options": options})


def exact(number):
    return D(repr(number))


async def market(exchange):
    """Books, tickers, trades and candles as streamed are those that REST tells once the crowd stands still."""
    x, rest = client(exchange), rest_client(exchange)
    rest.load_markets()
    symbols = [BTC, "ETH/USD", "DOGE/USD"]
    try:
        updates = 0
        while updates < 60:
            await x.watch_order_book_for_symbols(symbols, 10)
            updates += 1
        trades = await x.watch_trades(BTC)
        ticker, candles = await x.watch_ticker(BTC), await x.watch_ohlcv(BTC, "1m")
        while len(x.trades[BTC]) < 3:
            trades = await x.watch_trades(BTC)
        exchange.pause()
        assert trades and ticker and candles
        await settled(lambda: compare(x, rest, symbols))
    finally:
        await x.close()


def compare(x, rest, symbols):
    """What ccxt has streamed must be what REST tells."""
    for symbol in symbols:
        asks, bids = levels(rest, symbol)
        book = x.orderbooks[symbol]
        for side, want in [(book["asks"], asks), (book["bids"], bids)]:
            assert len(side) == 10
            assert [exact(price) for price, _ in side] == [price.normalize() for price, _ in want[:10]]
            # REST cuts quantities to three decimals.
            assert all(abs(exact(got[1]) - qty) < D("0.001") for got, (_, qty) in zip(side, want)), (side, want)
    told = rest.fetch_trades(BTC, limit=1000)[-len(x.trades[BTC]):]
    row = lambda it: (it["id"], it["price"], it["amount"], it["side"])
    assert [row(it) for it in x.trades[BTC]] == [row(it) for it in told], (x.trades[BTC], told)
    last = rest.fetch_ohlcv(BTC, "1m")[-1]
    assert x.ohlcvs[BTC]["1m"][-1][:6] == last[:6], (x.ohlcvs[BTC]["1m"][-1], last)
    shown = rest.fetch_ticker(BTC)
    assert x.tickers[BTC]["last"] == shown["last"], (x.tickers[BTC], shown)
    assert x.tickers[BTC]["info"]["volume"] == float(shown["info"]["v"][1])


async def quotes(exchange):
    """`watch_bids_asks` follows the touch, which a maker's own orders move."""
    x, rest = client(exchange), rest_client(exchange)
    rest.load_markets()
    exchange.pause()
    try:
        first = (await x.watch_bids_asks([BTC]))[BTC]
        better = round(first["bid"] + 0.5, 1)
        rest.create_order(BTC, "limit", "buy", 0.0123, better)
        while True:
            seen = (await x.watch_bids_asks([BTC]))[BTC]
            if seen["bid"] != first["bid"]:
                break
        assert (seen["bid"], seen["bidVolume"], seen["ask"]) == (better, 0.0123, first["ask"]), seen
    finally:
        await x.close()


async def trading(exchange):
    """Place, amend and cancel over the socket; orders, fills and balances as they are streamed."""
    x, taker, rest = client(exchange), client(exchange, "taker-trading"), rest_client(exchange)
    rest.load_markets()
    exchange.pause()
    _, bids = levels(rest)
    price = bids[0][0] + D("0.5")
    before = owned(rest)
    try:
        await x.load_markets()
        orders = asyncio.ensure_future(x.watch_orders())
        balance = await x.watch_balance()
        assert (exact(balance["BTC"]["total"]), exact(balance["USD"]["total"])) == (1_000_000, 1_000_000)
        placed = await x.create_order_ws(BTC, "limit", "buy", 0.02, float(price), {"postOnly": True})
        told = (await asyncio.wait_for(orders, 20))[-1]
        assert told["id"] == placed["id"], (told, placed)
        amended = await x.edit_order_ws(placed["id"], BTC, "limit", "buy", 0.03, float(price))
        assert amended["id"] == placed["id"] and amended["info"]["amend_id"].startswith("T"), amended
        # ccxt files a fill that completes nothing under fills; the order's own end comes after it.
        fills = asyncio.ensure_future(x.watch_my_trades(BTC))
        sold = await taker.create_order_ws(BTC, "market", "sell", 0.03)
        fill = (await asyncio.wait_for(fills, 20))[-1]
        cost, fee = spent([(price, D("0.03"))], MAKER)
        got = (fill["order"], exact(fill["price"]), exact(fill["amount"]), exact(fill["cost"]), exact(fill["fee"]["cost"]))
        assert got == (placed["id"], price, D("0.03"), cost, fee), (got, cost, fee)
        assert (fill["takerOrMaker"], fill["fee"]["currency"]) == ("maker", "USD")
        while x.balance["spot"]["USD"]["total"] == 1_000_000 or x.balance["spot"]["BTC"]["total"] == 1_000_000:
            # Awaited as it is: a task around it would begin to listen later, and may miss the message between look and wait.
            await x.watch_balance()
        assert exact(x.balance["spot"]["USD"]["total"]) == before["ZUSD"][0] - cost - fee
        assert exact(x.balance["spot"]["BTC"]["total"]) == before["XXBT"][0] + D("0.03")
        assert owned(rest)["ZUSD"][0] == before["ZUSD"][0] - cost - fee and sold["id"]
        spent_by_taker = spent([(price, D("0.03"))], TAKER)[1]
        told = await taker.watch_my_trades(BTC)
        assert exact(told[-1]["fee"]["cost"]) == spent_by_taker and told[-1]["takerOrMaker"] == "taker"

        ids = [(await x.create_order_ws(BTC, "limit", "buy", 0.01, float(price - 50 - n)))["id"] for n in range(3)]
        assert {row["id"] for row in rest.fetch_open_orders()} == set(ids)
        gone = await x.cancel_order_ws(ids[0])
        assert gone["success"] is True and gone["result"]["order_id"] == ids[0]
        await x.cancel_orders_ws(ids[1:2])
        assert {row["id"] for row in rest.fetch_open_orders()} == {ids[2]}
        assert (await x.cancel_all_orders_ws())["result"]["count"] == 1
        stop = await x.create_order_ws(BTC, "market", "sell", 0.01, None, {"stopLossPrice": float(price - 100)})
        assert rest.fetch_open_orders()[0]["info"]["descr"]["ordertype"] == "stop-loss"
        await x.cancel_order_ws(stop["id"])
    finally:
        await x.close()
        await taker.close()


async def errors(exchange):
    """What the socket refuses reaches the call that asked, in ccxt's class and the venue's words."""
    x, reader = client(exchange), client(exchange, "maker-reading")
    exchange.pause()

    async def refused(kind, text, call):
        try:
            got = await asyncio.wait_for(call, 20)
        except kind as error:
            assert text in str(error), repr(error)
            return
        raise AssertionError(f"not refused with {text}: {got}")

    try:
        await x.load_markets()
        far = 40_000.0
        place = lambda qty=0.01, price=far, **more: x.create_order_ws(BTC, "limit", "buy", qty, price, more)
        await refused(ccxt.ExchangeError, "EOrder:Insufficient funds", place(100))
        await refused(ccxt.BaseError, "EOrder:Order minimum not met", place(0.00002))
        await refused(ccxt.BaseError, "EGeneral:Invalid arguments", place(clientOrderId="x" * 22))
        await refused(ccxt.BaseError, "EOrder:Unknown order", x.cancel_order_ws("OAAAAA-BBBBB-CCCCCC"))
        await refused(ccxt.BaseError, "EOrder:Unknown order",
                      x.edit_order_ws("OAAAAA-BBBBB-CCCCCC", BTC, "limit", "buy", 1, far))
        await refused(ccxt.PermissionDenied, "EGeneral:Permission denied", reader.watch_balance())
        wish = {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": far, "symbol": BTC}
        wish |= {"token": await x.authenticate(), "price": 1}
        await refused(ccxt.ExchangeError, "Unsupported field: 'price'",
                      x.create_order_ws(BTC, "limit", "buy", 0.01, far, {"params": wish}))
        exchange.fault(kind="disconnected", scope={"account": "maker"})
        orders = asyncio.ensure_future(x.watch_orders())
        try:
            await asyncio.wait_for(orders, 20)
        except ccxt.NetworkError:
            pass
        placed = await place()
        assert (await x.cancel_order_ws(placed["id"]))["success"] is True
    finally:
        await x.close()
        await reader.close()

