"""ccxt over REST, with its own default hosts: what a trader does, checked to the last unit.

Source of the numbers: the exchange's book and fee schedule as ccxt reads them; exact texts come from `info`.
"""

from decimal import Decimal as D

import ccxt
from money import MAKER, TAKER, rounded, spent, until, walk

BTC = "BTC/USD"


def client(exchange, name="maker-trading"):
    key, secret = exchange.keys[name]
    # Trusting the environment's CA bundle is ccxt's own option; its pacing is for the real venue.
    own = {"apiKey": key, "secret": secret, "requests_trust_env": True, "enableRateLimit": False}
    return ccxt.kraken(own)


def refused(kind, text, call):
    """The call must fail with this class of ccxt and this text of the venue."""
    try:
        got = call()
    except kind as error:
        assert type(error) is kind and text in str(error), repr(error)
        return
    raise AssertionError(f"not refused with {text}: {got}")


def owned(x):
    rows = x.fetch_balance()["info"]["result"]
    return {asset: (D(row["balance"]), D(row["hold_trade"])) for asset, row in rows.items()}


def levels(x, symbol=BTC):
    """Gives asks and bids as exact (price, qty), best first."""
    depth = next(iter(x.publicGetDepth({"pair": x.market(symbol)["id"], "count": 500})["result"].values()))
    decimals = round(-D(str(x.market(symbol)["precision"]["price"])).log10())
    exact = lambda side: [(rounded(D(price), decimals), D(qty)) for price, qty, _ in depth[side]]
    return exact("asks"), exact("bids")


def order_info(x, order_id):
    return x.privatePostQueryOrders({"txid": order_id, "trades": "true"})["result"][order_id]


def reads(exchange):
    x = client(exchange)
    markets = x.load_markets()
    assert len(markets) == 13, sorted(markets)
    btc = markets[BTC]
    assert (btc["id"], btc["base"], btc["quote"], btc["altname"]) == ("XXBTZUSD", "BTC", "USD", "XBTUSD")
    assert (btc["precision"]["price"], btc["precision"]["amount"]) == (0.1, 1e-8)
    assert (btc["limits"]["amount"]["min"], btc["limits"]["cost"]["min"]) == (5e-05, 0.5)
    assert (btc["maker"], btc["taker"], btc["active"]) == (0.0025, 0.004, True)
    assert markets["DOGE/USD"]["id"] == "XDGUSD" and markets["XTZ/USD"]["baseId"] == "XTZ"
    assert abs(x.fetch_time() - x.milliseconds()) < 5_000
    assert x.fetch_status()["status"] == "ok"
    assert x.currencies["BTC"]["precision"] == 1e-10 and x.currencies["USD"]["precision"] == 1e-4

    until(lambda: len(x.fetch_trades(BTC)) >= 3, "three trades of the crowd", 120)
    exchange.pause()
    trades = x.fetch_trades(BTC, limit=1000)
    ids = [int(trade["id"]) for trade in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids))), ids
    ticker = x.fetch_ticker(BTC)
    asks, bids = levels(x)
    assert D(str(ticker["ask"])) == asks[0][0] and D(str(ticker["bid"])) == bids[0][0]
    assert asks == sorted(asks) and bids == sorted(bids, reverse=True) and bids[0][0] < asks[0][0]
    assert ticker["last"] == trades[-1]["price"]
    volume = sum(D(trade["info"][1]) for trade in trades)
    assert D(ticker["info"]["v"][1]) == volume and ticker["info"]["t"][1] == len(trades)
    worth = sum(D(trade["info"][0]) * D(trade["info"][1]) for trade in trades)
    assert abs(D(ticker["info"]["p"][1]) - worth / volume) < D("0.0001")
    candles = x.publicGetOHLC({"pair": "XBTUSD", "interval": 1})["result"]["XXBTZUSD"]
    assert sum(D(row[6]) for row in candles) == volume and sum(row[7] for row in candles) == len(trades)
    assert max(D(row[2]) for row in candles) == max(D(trade["info"][0]) for trade in trades)
    parsed = x.fetch_ohlcv(BTC, "1m")
    assert len(parsed) == len(candles) and parsed[-1][4] == ticker["last"]
    assert parsed[0][0] % 60_000 == 0
    book = x.fetch_order_book(BTC, 5)
    assert [D(str(price)) for price, *_ in book["asks"]] == [price for price, _ in asks[:5]]
    assert len(x.fetch_tickers()) == 13 and set(x.fetch_tickers([BTC, "ETH/USD"])) == {BTC, "ETH/USD"}
    fee = x.fetch_trading_fee(BTC)
    assert (fee["maker"], fee["taker"]) == (0.0025, 0.004)
    assert x.privatePostTradeVolume({"pair": "XXBTZUSD"})["result"]["volume"] == "0.0000"
    spread = x.publicGetSpread({"pair": "XBTUSD"})["result"]["XXBTZUSD"]
    assert D(spread[-1][1]) == bids[0][0] and D(spread[-1][2]) == asks[0][0]
    worth = x.privatePostTradeBalance()["result"]
    assert D(worth["e"]) == D(worth["eb"]) > 0 and D(worth["uv"]) == 0
    refused(ccxt.ExchangeError, "EQuery:Unknown asset pair", lambda: x.publicGetTicker({"pair": "NOPE"}))


def fills(exchange):
    """A market order through a maker's three levels: every balance of both to the last unit."""
    maker, taker = client(exchange, "maker-trading"), client(exchange, "taker-trading")
    maker.load_markets(), taker.load_markets()
    exchange.pause()
    _, bids = levels(maker)
    best = bids[0][0]
    offers = [(best + D("1.1"), D("0.01234567")), (best + D("2.3"), D("0.03")), (best + D("3.7"), D("0.02"))]
    maker_before, before = owned(maker), owned(taker)
    asks = [maker.create_order(BTC, "limit", "sell", str(qty), str(price), {"postOnly": True}) for price, qty in offers]
    assert owned(maker)["XXBT"] == (maker_before["XXBT"][0], D("0.06234567"))
    qty = D("0.05111111")
    taken = walk(offers, qty)
    cost, fee = spent(taken, TAKER)
    order = taker.create_order(BTC, "market", "buy", str(qty))
    after = owned(taker)
    assert after["XXBT"] == (before["XXBT"][0] + qty, 0)
    assert after["ZUSD"] == (before["ZUSD"][0] - cost - fee, 0), (after, cost, fee)
    info = order_info(taker, order["id"])
    assert (info["status"], D(info["vol_exec"]), D(info["cost"]), D(info["fee"])) == ("closed", qty, cost, fee)
    assert abs(D(info["price"]) - cost / qty) <= D("0.1")
    mine = taker.fetch_my_trades(BTC, params={"consolidate_taker": "false"})
    rows = [(D(row["info"]["price"]), D(row["info"]["vol"])) for row in mine]
    assert sorted(rows) == taken, (rows, taken)
    assert {row["id"] for row in mine} == set(info["trades"]) and not mine[0]["info"]["maker"]
    one = taker.privatePostTradesHistory({"consolidate_taker": "true"})["result"]["trades"]
    assert [D(row["vol"]) for row in one.values()] == [qty], one
    entries = [row["info"] for row in taker.fetch_ledger() if row["info"]["type"] == "trade"]
    moved = lambda asset: sum(D(row["amount"]) - D(row["fee"]) for row in entries if row["asset"] == asset)
    assert (moved("XXBT"), moved("ZUSD")) == (qty, -(cost + fee)), entries
    assert {row["refid"] for row in entries} == set(info["trades"])
    named = taker.fetch_ledger_entries_by_ids([entries[0]["id"]])
    assert [row["info"]["balance"] for row in named] == [entries[0]["balance"]]

    cost, fee = spent(taken, MAKER)
    now = owned(maker)
    assert now["XXBT"] == (maker_before["XXBT"][0] - qty, D("0.06234567") - qty)
    assert now["ZUSD"] == (maker_before["ZUSD"][0] + cost - fee, 0), (now, cost, fee)
    states = [order_info(maker, ask["id"]) for ask in asks]
    assert [state["status"] for state in states] == ["closed", "closed", "open"]
    assert D(states[2]["vol_exec"]) == taken[2][1] and states[2]["misc"] == "partial", states[2]
    assert all(row["info"]["maker"] is True for row in maker.fetch_my_trades(BTC))
    volume = D(maker.privatePostTradeVolume()["result"]["volume"])
    assert abs(volume - cost) <= D("0.001"), (volume, cost)
    tiers_change_with_volume(maker, taker, best + D("3.7"))


def tiers_change_with_volume(maker, taker, price):
    """Past 10,000 US dollars in 30 days both fees fall a step, from the next fill on."""
    qty = D("0.2")
    for rate, want in [(TAKER, "0.3500"), (D("0.0035"), "0.3500")]:
        before, held = owned(taker), owned(maker)["XXBT"][1]
        ask = maker.create_order(BTC, "limit", "sell", str(qty - held), str(price))
        order = taker.create_order(BTC, "market", "buy", str(qty))
        cost, _ = spent([(price, qty)], rate)
        _, fee = spent([(price, held), (price, qty - held)] if held else [(price, qty)], rate)
        assert before["ZUSD"][0] - owned(taker)["ZUSD"][0] == cost + fee
        assert D(order_info(taker, order["id"])["fee"]) == fee and D(order_info(maker, ask["id"])["vol_exec"]) == qty - held
        fees = taker.privatePostTradeVolume({"pair": "XXBTZUSD"})["result"]
        assert fees["fees"]["XXBTZUSD"]["fee"] == want, fees
    assert fees["fees_maker"]["XXBTZUSD"]["fee"] == "0.2000"
    assert fees["fees"]["XXBTZUSD"]["nextvolume"] == "50000.0000"
