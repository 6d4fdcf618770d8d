"""python-kraken-sdk over REST, with its own default host: what a trader does, checked to the last unit."""

import datetime
import time
import uuid
from decimal import Decimal as D

from kraken import exceptions as refusals
from kraken.spot import Market, Trade, User
from money import MAKER, TAKER, rounded, spent, until

PAIR = "XBTUSD"


class Trader:
    """One account as the SDK splits it."""

    def __init__(self, exchange, name):
        key, secret = exchange.keys[name]
        self.user, self.trade = User(key, secret), Trade(key, secret)

    def owned(self):
        rows = self.user.get_balances()
        return {asset: (D(row["balance"]), D(row["hold_trade"])) for asset, row in rows.items()}

    def place(self, side, volume, price=None, kind="limit", pair=PAIR, **more):
        price = None if price is None else str(price)
        return self.trade.create_order(kind, side, pair, str(volume), price, **more)["txid"][0]

    def info(self, txid):
        return self.user.get_orders_info(txid=txid, trades=True)[txid]

    def open(self, **which):
        return self.user.get_open_orders(**which)["open"]


def touch(pair=PAIR, decimals=1):
    book = next(iter(Market().get_order_book(pair=pair, count=10).values()))
    return rounded(D(book["asks"][0][0]), decimals), rounded(D(book["bids"][0][0]), decimals)


def refused(kind, call):
    """The call must fail with this class. The SDK knows a text by its first words: an unknown pair is an asset to it."""
    try:
        got = call()
    except kind as error:
        assert type(error) is kind, repr(error)
        return
    raise AssertionError(f"not refused with {kind.__name__}: {got}")


def market(exchange):
    """Assets, pairs, ticker, book, trades, candles, spreads."""
    m = Market()
    pairs = m.get_asset_pairs()
    assert len(pairs) == 13 and m.get_system_status()["status"] == "online"
    btc = pairs["XXBTZUSD"]
    assert (btc["altname"], btc["wsname"], btc["tick_size"], btc["pair_decimals"]) == ("XBTUSD", "XBT/USD", "0.1", 1)
    assert btc["fees"][0] == [0, 0.4] and btc["fees_maker"][0] == [0, 0.25], btc["fees"]
    assert list(m.get_asset_pairs(pair=["DOGE/USD"])) == ["DOGE/USD"]
    assert m.get_assets(assets=["XBT", "USD"])["XXBT"]["decimals"] == 10
    until(lambda: len(m.get_recent_trades(pair=PAIR)["XXBTZUSD"]) >= 3, "three trades of the crowd", 120)
    exchange.pause()
    trades = m.get_recent_trades(pair=PAIR, count=1000)
    rows = trades["XXBTZUSD"]
    ticker = m.get_ticker(pair=[PAIR, "ETHUSD"])
    assert set(ticker) == {"XXBTZUSD", "XETHZUSD"}
    ticker = ticker["XXBTZUSD"]
    volume = sum(D(row[1]) for row in rows)
    assert (D(ticker["v"][1]), ticker["t"][1], D(ticker["c"][0])) == (volume, len(rows), D(rows[-1][0]))
    candles = m.get_ohlc(pair=PAIR, interval=5)["XXBTZUSD"]
    assert sum(D(row[6]) for row in candles) == volume and sum(row[7] for row in candles) == len(rows)
    assert D(candles[0][1]) == D(rows[0][0]) and D(candles[-1][4]) == D(rows[-1][0])
    ask, bid = touch()
    assert D(ticker["a"][0]) == ask and D(ticker["b"][0]) == bid and bid < ask
    spread = m.get_recent_spreads(pair=PAIR)["XXBTZUSD"][-1]
    assert (D(spread[1]), D(spread[2])) == (bid, ask)
    later = m.get_recent_trades(pair=PAIR, since=trades["last"])
    assert later["XXBTZUSD"] == [] and later["last"] == trades["last"], later
    grouped = m.request("GET", "/0/public/GroupedBook", {"pair": PAIR, "grouping": 100, "depth": 25}, auth=False)
    assert D(grouped["bids"][0]["price"]) <= bid and D(grouped["asks"][0]["price"]) >= ask, grouped
    assert all(D(row["price"]) % 10 == 0 for row in grouped["bids"] + grouped["asks"]), grouped
    refused(refusals.KrakenUnknownAssetError, lambda: m.get_ticker(pair="NOPEUSD"))
    refused(refusals.KrakenInvalidArgumentsError, lambda: m.get_ohlc(pair=PAIR, interval=7))


def account(exchange):
    """A fill between two accounts, seen in balances, orders, trades and ledger of both."""
    maker, taker = Trader(exchange, "maker-trading"), Trader(exchange, "taker-trading")
    exchange.pause()
    ask, bid = touch()
    price, qty = bid + D("1.7"), D("0.01234567")
    before = maker.owned(), taker.owned()
    bought = maker.place("buy", qty, price, oflags="post")
    info = maker.info(bought)
    assert "post" in info["oflags"] and info["descr"]["price"] == str(price), info
    hold = maker.owned()["ZUSD"][1]
    assert price * qty <= hold <= price * qty * (1 + TAKER) + D("0.0001"), hold
    sold = taker.place("sell", qty, kind="market")
    for trader, start, rate, sign, txid in [(maker, before[0], MAKER, 1, bought), (taker, before[1], TAKER, -1, sold)]:
        cost, fee = spent([(price, qty)], rate)
        now = trader.owned()
        assert now["XXBT"] == (start["XXBT"][0] + sign * qty, 0)
        assert now["ZUSD"] == (start["ZUSD"][0] - sign * cost - fee, 0), (now["ZUSD"], cost, fee)
        info = trader.info(txid)
        assert (info["status"], D(info["vol_exec"]), D(info["fee"])) == ("closed", qty, fee), info
        trades = trader.user.get_trades_history(consolidate_taker=False)["trades"]
        assert list(trades) == info["trades"]
        row = trader.user.get_trades_info(txid=info["trades"])[info["trades"][0]]
        assert (D(row["price"]), D(row["vol"]), D(row["fee"]), row["maker"]) == (price, qty, fee, sign == 1), row
        entries = trader.user.get_ledgers_info(type_="trade")["ledger"]
        moved = {row["asset"]: (D(row["amount"]), D(row["fee"]), D(row["balance"])) for row in entries.values()}
        assert moved == {"XXBT": (sign * qty, 0, now["XXBT"][0]), "ZUSD": (-sign * cost, fee, now["ZUSD"][0])}, moved
        one = next(iter(entries))
        assert trader.user.get_ledgers(id_=one)[one] == entries[one]
        assert txid in trader.user.get_closed_orders()["closed"]
        fees = trader.user.get_trade_volume(pair=PAIR)
        assert abs(D(fees["volume"]) - cost) < D("0.001"), fees
        assert fees["fees"]["XXBTZUSD"]["fee"] == "0.4000" and fees["fees_maker"]["XXBTZUSD"]["fee"] == "0.2500"
    assert maker.user.get_balance(currency="USD")["available_balance"] == float(maker.owned()["ZUSD"][0])
    assert maker.user.get_account_balance()["XXBT"] == str(maker.owned()["XXBT"][0])
    worth = maker.user.get_trade_balance(asset="ZUSD")
    assert D(worth["e"]) > 0 and worth["m"] == "0.0000"
    schedule = maker.user.get_trade_volume(pair=PAIR, fee_schedule=True)["schedules"][0]
    assert schedule["tiers"][0] == {"maker_fee": "0.2500", "taker_fee": "0.4000", "active": True}, schedule
    key = maker.user.request("POST", "/0/private/GetApiKeyInfo")
    assert (key["apiKeyName"], key["apiKey"]) == ("maker-trading", exchange.keys["maker-trading"][0])
    assert "modify-trades" in key["permissions"] and "withdraw-funds" not in key["permissions"], key
    assert maker.user.get_open_positions() == []


def orders(exchange):
    """Every kind of order the SDK sends, changed and cancelled in every way it knows."""
    x, other = Trader(exchange, "maker-trading"), Trader(exchange, "taker-trading")
    exchange.pause()
    ask, bid = touch()
    far = bid - 4000
    one = x.place("buy", "0.01", far, cl_ord_id=(mine := str(uuid.uuid4())))
    assert list(x.open(cl_ord_id=mine)) == [one]
    amended = x.trade.amend_order(cl_ord_id=mine, order_qty="0.02", limit_price=str(far + 5))
    assert amended["amend_id"].startswith("T") and x.info(one)["vol"] == "0.02000000"
    amends = x.user.get_order_amends(order_id=one)["amends"]
    assert [(row["amend_type"], row["order_qty"]) for row in amends] == [("original", "0.01000000"), ("user", "0.02000000")]
    edited = x.trade.edit_order(txid=one, pair=PAIR, volume="0.03", price=str(far))
    assert (edited["status"], edited["originaltxid"]) == ("ok", one) and x.info(edited["txid"])["vol"] == "0.03000000"
    two = x.place("buy", "0.01", far - 1, userref=9)
    assert list(x.open(userref=9)) == [two]
    assert x.trade.cancel_order(txid=edited["txid"])["count"] == 1
    assert x.trade.cancel_order(txid=9)["count"] == 1
    three = x.place("buy", "0.01", far, cl_ord_id=(short := uuid.uuid4().hex))
    assert x.trade.cancel_order(cl_ord_id=short)["count"] == 1 and x.info(three)["status"] == "canceled"

    wish = lambda n, **more: {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": str(far - n), **more}
    batch = x.trade.create_order_batch([wish(0), wish(1, userref=4), wish(2)], pair=PAIR)["orders"]
    assert all(row["descr"]["order"].startswith("buy 0.01000000 XBTUSD @ limit") for row in batch), batch
    assert x.trade.cancel_order_batch([batch[0]["txid"], batch[2]["txid"]])["count"] == 2
    assert list(x.open()) == [batch[1]["txid"]]
    broken = [wish(0), wish(0, volume="0.00000001")]
    refused(refusals.KrakenOrderMinimumNotMetError, lambda: x.trade.create_order_batch(broken, pair=PAIR))
    mixed = x.trade.create_order_batch([wish(0), wish(0, volume="500")], pair=PAIR)["orders"]
    assert mixed[0]["txid"] and mixed[1]["error"] == "EOrder:Insufficient funds", mixed
    assert x.trade.cancel_all_orders()["count"] == 2

    price = bid + D("0.3")
    other.place("buy", "0.01", price)
    ioc = x.place("sell", "0.02", price, timeinforce="IOC")
    assert (x.info(ioc)["status"], x.info(ioc)["vol_exec"]) == ("expired", "0.01000000")
    late = x.place("buy", "0.01", ask + 5, oflags="post")
    state = until(lambda: (info := x.info(late))["status"] == "canceled" and info, "the late cancel")
    assert state["reason"] == "Post only order" and state["vol_exec"] == "0.00000000"
    gtd = x.place("buy", "0.01", far, timeinforce="GTD", expiretm="+5")
    checked = x.trade.create_order("limit", "buy", PAIR, "0.01", str(far), validate=True)
    assert "txid" not in checked and checked["descr"]["order"].startswith("buy 0.01000000"), checked
    close = x.trade.create_order("limit", "buy", PAIR, "0.01", str(far), close_ordertype="stop-loss-limit",
                                 close_price=str(far - 500), close_price2=str(far - 510))
    assert "stop loss" in close["descr"]["close"], close
    stop = x.place("sell", "0.01", bid - 900, kind="stop-loss-limit", price2=str(bid - 910))
    assert x.info(stop)["descr"]["price2"] == str(bid - 910)
    profit = x.place("sell", "0.01", ask + 900, kind="take-profit", trigger="index")
    assert x.info(profit)["trigger"] == "index"
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=20)
    timed = x.place("buy", "0.01", far, deadline=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    truncated = x.trade.create_order("limit", "buy", PAIR, "0.0123456789", "50000.55", truncate=True)["txid"][0]
    assert (x.info(truncated)["vol"], x.info(truncated)["descr"]["price"]) == ("0.01234567", "50000.5")
    until(lambda: x.info(gtd)["status"] == "expired", "the order good till then")
    assert set(x.open()) == {close["txid"][0], stop, profit, timed, truncated}
    armed = x.trade.cancel_all_orders_after_x(timeout=60)
    stamp = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert stamp(armed["triggerTime"]) - stamp(armed["currentTime"]) == datetime.timedelta(seconds=60)
    x.trade.cancel_all_orders_after_x(timeout=1)
    until(lambda: x.open() == {}, "the dead man's switch")
    assert x.owned()["ZUSD"][1] == 0 and x.owned()["XXBT"][1] == 0


def errors(exchange):
    """The SDK's own exceptions for what the venue refuses."""
    x, reader = Trader(exchange, "maker-trading"), Trader(exchange, "maker-reading")
    exchange.pause()
    _, bid = touch()
    far = bid - 4000
    start = x.owned()
    refused(refusals.KrakenInsufficientFundsError, lambda: x.place("buy", 100, far))
    refused(refusals.KrakenUnknownOrderError, lambda: x.trade.cancel_order(txid="OAAAAA-BBBBB-CCCCCC"))
    refused(refusals.KrakenUnknownOrderError, lambda: x.trade.amend_order(txid="OAAAAA-BBBBB-CCCCCC", order_qty="1"))
    refused(refusals.KrakenUnknownAssetError, lambda: x.place("buy", 1, far, pair="NOPEUSD"))
    refused(refusals.KrakenOrderMinimumNotMetError, lambda: x.place("buy", "0.00001", far))
    refused(refusals.KrakenCostMinimumNotMetError, lambda: x.place("buy", "0.0001", "1000"))
    refused(refusals.KrakenTickSizeInvalidCheckError, lambda: x.place("buy", 1, "40.0001", pair="EXAUSD"))
    refused(refusals.KrakenInvalidArgumentsError, lambda: x.place("buy", "0.01", far, cl_ord_id="y" * 19))
    refused(refusals.KrakenPermissionDeniedError, lambda: reader.place("buy", "0.01", far))
    refused(refusals.KrakenPermissionDeniedError, reader.open)
    refused(refusals.KrakenDeadlineElapsedError, lambda: x.place("buy", "0.01", far, deadline="2020-01-01T00:00:00Z"))
    key, secret = exchange.keys["maker-trading"]
    refused(refusals.KrakenInvalidAPIKeyError, User("B" * 56, secret).get_account_balance)
    wrong = User(key, exchange.keys["taker-trading"][1])
    refused(refusals.KrakenInvalidSignatureError, wrong.get_account_balance)
    # A nonce in nanoseconds is above all that the SDK will ever make: the key is lost to it, as at the venue.
    reader.user.get_nonce = lambda: time.time_ns()
    assert reader.user.get_account_balance()
    late = User(*exchange.keys["maker-reading"])
    refused(refusals.KrakenInvalidNonceError, late.get_account_balance)
    for verb, path in [("GET", "public/PreTrade"), ("GET", "public/PostTrade"), ("POST", "private/Level3")]:
        is_private = verb == "POST"
        refused(refusals.KrakenUnknownMethodError, lambda: x.user.request(verb, f"/0/{path}", auth=is_private))
    refused(refusals.KrakenUnknownMethodError, lambda: x.user.request_export_report("trades", "mine"))
    exchange.fault(kind="unavailable", count=1)
    refused(refusals.KrakenServiceUnavailableError, lambda: x.place("buy", "0.01", far))
    exchange.ask("faults", {"kind": "phase", "mode": "cancel_only"})
    refused(refusals.KrakenMarketInOnlyCancelModeError, lambda: x.place("buy", "0.01", far))
    exchange.ask("faults/clear", {})
    assert x.place("buy", "0.01", far) and x.trade.cancel_all_orders()["count"] == 1
    assert x.owned() == start


def limits(exchange):
    """The counters refuse in the SDK's own words."""
    x = Trader(exchange, "taker-trading")
    exchange.pause()
    _, bid = touch()

    def count(call, kind, most):
        for done in range(most):
            try:
                call()
            except kind:
                return done
        raise AssertionError(f"{most} calls in a row were served")

    assert count(x.user.get_account_balance, refusals.KrakenApiLimitExceededError, 60) >= 20

    def young():
        x.trade.cancel_order(txid=x.place("buy", "0.001", bid - 4000))

    assert 13 <= count(young, refusals.KrakenRateLimitExceededError, 60) <= 20
