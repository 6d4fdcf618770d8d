"""ccxt over REST: every kind of order, changing and cancelling, and what the venue refuses."""

import datetime
import time
import uuid
from decimal import ROUND_UP
from decimal import Decimal as D

import ccxt
from ccxt_rest import BTC, client, levels, order_info, owned, refused
from money import TAKER, until


def ready(exchange, name="maker-trading"):
    x = client(exchange, name)
    x.load_markets()
    return x


def touch(x):
    asks, bids = levels(x)
    return asks[0][0], bids[0][0]


def ended(x, order_id, status):
    info = until(lambda: (info := order_info(x, order_id))["status"] == status and info, status)
    return info["reason"], D(info["vol_exec"])


def kinds(exchange):
    """Limit, market, post-only, IOC, FOK, GTD, iceberg, validate, deadline, client ids."""
    x, other = ready(exchange), ready(exchange, "taker-trading")
    exchange.pause()
    ask, bid = touch(x)
    far = float(bid - 5000)

    plain = x.create_order(BTC, "limit", "buy", 0.01, far)
    info = order_info(x, plain["id"])
    assert info["descr"]["order"] == f"buy 0.01000000 XBTUSD @ limit {bid - 5000}", info
    hold = ((bid - 5000) * D("0.01") * (1 + TAKER)).quantize(D("0.0001"), rounding=ROUND_UP)
    assert owned(x)["ZUSD"][1] == hold
    mine = str(uuid.uuid4())
    x.create_order(BTC, "limit", "buy", 0.01, far, {"clientOrderId": mine})
    found = x.privatePostOpenOrders({"cl_ord_id": mine})["result"]["open"]
    assert [row["cl_ord_id"] for row in found.values()] == [mine]
    x.create_order(BTC, "limit", "sell", 0.02, float(ask + 5000), {"userref": 77})
    found = x.privatePostOpenOrders({"userref": 77})["result"]["open"]
    assert [(row["userref"], row["descr"]["type"]) for row in found.values()] == [(77, "sell")]
    assert {row["id"] for row in x.fetch_open_orders()} >= {plain["id"], *found}
    x.cancel_order(plain["id"])
    assert ended(x, plain["id"], "canceled") == ("User requested", 0)

    crossing = x.create_order(BTC, "limit", "buy", 0.01, float(ask + 10), {"postOnly": True})
    assert ended(x, crossing["id"], "canceled") == ("Post only order", 0)
    price = bid + D("0.1")
    other.create_order(BTC, "limit", "buy", 0.01, float(price))
    ioc = x.create_order(BTC, "limit", "sell", 0.03, float(price), {"timeInForce": "IOC"})
    assert ended(x, ioc["id"], "expired")[1] == D("0.01")
    other.create_order(BTC, "limit", "buy", 0.01, float(price))
    fok = x.privatePostAddOrder({"pair": "XBTUSD", "type": "sell", "ordertype": "limit", "volume": "0.03",
                                 "price": str(price), "timeinforce": "FOK"})["result"]["txid"][0]
    assert order_info(x, fok)["vol_exec"] == "0.00000000"
    fok = x.privatePostAddOrder({"pair": "XBTUSD", "type": "sell", "ordertype": "limit", "volume": "0.01",
                                 "price": str(price), "timeinforce": "FOK"})["result"]["txid"][0]
    assert ended(x, fok, "closed") == (None, D("0.01"))
    gtd = x.privatePostAddOrder({"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01",
                                 "price": str(bid - 100), "timeinforce": "GTD", "expiretm": "+5"})["result"]["txid"][0]
    assert order_info(x, gtd)["status"] == "open"
    iceberg = x.privatePostAddOrder({"pair": "XBTUSD", "type": "sell", "ordertype": "iceberg", "volume": "0.15",
                                     "displayvol": "0.01", "price": str(price + 1)})["result"]["txid"][0]
    shown = [qty for at, qty in levels(x)[0] if at == price + 1]
    assert shown == [D("0.01")], shown
    other.create_order(BTC, "market", "buy", 0.05)
    assert order_info(x, iceberg)["vol_exec"] == "0.05000000"
    count = len(x.fetch_open_orders())
    checked = x.create_order(BTC, "limit", "buy", 0.01, far, {"validate": True})
    assert checked["id"] is None and len(x.fetch_open_orders()) == count
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=30)
    timed = x.create_order(BTC, "limit", "buy", 0.01, far, {"deadline": soon.isoformat().replace("+00:00", "Z")})
    assert order_info(x, timed["id"])["status"] == "open"
    assert ended(x, gtd, "expired")[1] == 0


def trade_at(buyer, seller, price, qty=0.001):
    """Makes the last price: `buyer` rests there, `seller` hits it."""
    buyer.create_order(BTC, "limit", "buy", qty, float(price))
    seller.create_order(BTC, "limit", "sell", qty, float(price), {"timeInForce": "IOC"})


def triggers(exchange):
    """Stop-loss, take-profit, their limit kinds and trailing stops fire on the last price, and not before."""
    x, other, crowd = ready(exchange), ready(exchange, "taker-trading"), None
    exchange.pause()
    ask, bid = touch(x)
    top = bid + D("5.0")
    trade_at(x, other, top)
    assert x.fetch_ticker(BTC)["last"] == float(top)
    stop = x.create_order(BTC, "market", "sell", 0.01, None, {"stopLossPrice": float(top - 1)})
    info = order_info(x, stop["id"])
    assert (info["descr"]["ordertype"], D(info["descr"]["price"])) == ("stop-loss", top - 1), info
    limit = x.create_order(BTC, "limit", "sell", 0.01, float(top + 40), {"stopLossPrice": float(top - 1)})
    assert order_info(x, limit["id"])["descr"]["ordertype"] == "stop-loss-limit"
    profit = x.create_order(BTC, "market", "sell", 0.01, None, {"takeProfitPrice": float(top + 2)})
    profit_limit = x.create_order(BTC, "limit", "sell", 0.01, float(top + 40), {"takeProfitPrice": float(top + 2)})
    trailing = x.create_order(BTC, "market", "sell", 0.01, None, {"trailingAmount": "4"})
    assert order_info(x, trailing["id"])["descr"]["ordertype"] == "trailing-stop"
    waiting = [stop, limit, profit, profit_limit, trailing]
    assert [order_info(x, it["id"])["vol_exec"] for it in waiting] == ["0.00000000"] * 5

    other.create_order(BTC, "limit", "buy", 0.05, float(bid + 2))
    trade_at(other, x, top - D("0.9"))
    assert order_info(x, stop["id"])["status"] == "open"
    trade_at(other, x, top - 1)
    assert ended(x, stop["id"], "closed")[1] == D("0.01")
    assert D(order_info(x, stop["id"])["price"]) == bid + 2
    # Its own fill at bid + 2 moved the last price 3 below the peak: the trailing stop of 4 holds.
    assert order_info(x, trailing["id"])["status"] == "open"
    info = order_info(x, limit["id"])
    assert (info["status"], info["vol_exec"]) == ("open", "0.00000000") and "touched" in info["misc"] or "stopped" in info["misc"], info
    assert (top + 40, D("0.01")) in levels(x)[0]
    other.create_order(BTC, "limit", "buy", 0.05, float(bid + 1))
    x.create_order(BTC, "limit", "sell", 0.04, float(bid + 2), {"timeInForce": "IOC"})
    x.create_order(BTC, "limit", "sell", 0.001, float(bid + 1), {"timeInForce": "IOC"})
    assert ended(x, trailing["id"], "closed")[1] == D("0.01")
    trade_at(other, x, top + 2)
    assert ended(x, profit["id"], "closed")[1] == D("0.01")
    assert (top + 40, D("0.02")) in levels(x)[0]
    assert len(x.fetch_open_orders()) == 2
    assert x.privatePostCancelAll()["result"]["count"] == 2


def changes(exchange):
    """Amend, edit, batches, cancel by every name, cancel all, and the dead man's switch."""
    x = ready(exchange)
    exchange.pause()
    _, bid = touch(x)
    far = bid - 4000
    first = x.create_order(BTC, "limit", "buy", 0.01, float(far))["id"]
    amended = x.privatePostAmendOrder({"txid": first, "order_qty": "0.02", "limit_price": str(far + 10)})["result"]
    assert amended["amend_id"].startswith("T")
    info = order_info(x, first)
    assert (info["status"], info["vol"], info["descr"]["price"]) == ("open", "0.02000000", str(far + 10)), info
    assert "amended" in info["misc"], info
    history = x.privatePostOrderAmends({"order_id": first})["result"]
    assert [row["amend_type"] for row in history["amends"]] == ["original", "user"], history
    edited = x.edit_order(first, BTC, "limit", "buy", 0.03, float(far + 20))
    assert edited["info"]["amend_id"].startswith("T") and order_info(x, first)["vol"] == "0.03000000", edited
    replaced = x.privatePostEditOrder({"txid": first, "pair": "XBTUSD", "volume": "0.04", "price": str(far)})["result"]
    assert (replaced["status"], replaced["originaltxid"], replaced["orders_cancelled"]) == ("ok", first, 1), replaced
    assert ended(x, first, "canceled")[1] == 0
    second = replaced["txid"]
    assert order_info(x, second)["vol"] == "0.04000000"

    wish = lambda n: {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.01, "price": float(far - n)}
    batch = x.create_orders([wish(n) for n in range(3)])
    assert len({row["id"] for row in batch}) == 3
    assert {row["id"] for row in x.fetch_open_orders()} == {second, *(row["id"] for row in batch)}
    x.cancel_orders([row["id"] for row in batch[:2]])
    assert {row["id"] for row in x.fetch_open_orders()} == {second, batch[2]["id"]}
    mine = uuid.uuid4().hex
    x.create_order(BTC, "limit", "buy", 0.01, float(far), {"clientOrderId": mine})
    # The venue stores 128 bits and writes them its own way; both spellings find the order.
    x.cancel_order(None, BTC, {"clientOrderId": mine})
    for n in range(2):
        x.create_order(BTC, "limit", "buy", 0.01, float(far - n), {"userref": 5})
    assert x.privatePostCancelOrder({"txid": "5"})["result"]["count"] == 2
    assert x.cancel_all_orders()[0]["info"]["result"]["count"] == 2
    assert x.fetch_open_orders() == [] and owned(x)["ZUSD"][1] == 0

    closed = x.fetch_closed_orders()
    assert len(closed) == 8 and {row["status"] for row in closed} == {"canceled"}, closed
    x.create_order(BTC, "limit", "buy", 0.01, float(far))
    armed = x.cancel_all_orders_after(60_000)["result"]
    stamp = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert stamp(armed["triggerTime"]) - stamp(armed["currentTime"]) == datetime.timedelta(seconds=60)
    x.cancel_all_orders_after(0)
    x.cancel_all_orders_after(1_000)
    until(lambda: x.fetch_open_orders() == [], "the dead man's switch")


def errors(exchange):
    """What is refused, in ccxt's classes and the venue's words; nothing of it leaves a trace on the account."""
    x, reader = ready(exchange), ready(exchange, "maker-reading")
    exchange.pause()
    _, bid = touch(x)
    start = owned(x)
    far = float(bid - 4000)
    place = lambda **more: x.privatePostAddOrder({"pair": "XBTUSD", "type": "buy", "ordertype": "limit",
                                                  "volume": "0.01", "price": str(far), **more})
    refused(ccxt.InsufficientFunds, "EOrder:Insufficient funds", lambda: x.create_order(BTC, "limit", "buy", 100, far))
    unknown = "OAAAAA-BBBBB-CCCCCC"
    refused(ccxt.OrderNotFound, "EOrder:Unknown order", lambda: x.cancel_order(unknown))
    refused(ccxt.InvalidOrder, "EOrder:Order minimum not met", lambda: place(volume="0.00001"))
    refused(ccxt.ExchangeError, "EOrder:Cost minimum not met", lambda: place(volume="0.0001", price="1000"))
    refused(ccxt.ExchangeError, "EOrder:Invalid price", lambda: place(price="50000.55"))
    refused(ccxt.ExchangeError, "EOrder:Tick size check failed",
            lambda: place(pair="EXAUSD", volume="1", price="40.0001"))
    refused(ccxt.ExchangeError, "EQuery:Unknown asset pair", lambda: place(pair="NOPEUSD"))
    refused(ccxt.BadRequest, "EGeneral:Invalid arguments", lambda: place(cl_ord_id="x" * 22))
    refused(ccxt.BadRequest, "EGeneral:Invalid arguments", lambda: place(cl_ord_id="a", userref="1"))
    refused(ccxt.PermissionDenied, "EGeneral:Permission denied",
            lambda: reader.create_order(BTC, "limit", "buy", 0.01, far))
    refused(ccxt.PermissionDenied, "EGeneral:Permission denied", lambda: reader.privatePostGetWebSocketsToken())
    refused(ccxt.ExchangeError, "EGeneral:Unknown method", lambda: x.privatePostDepositMethods({"asset": "XBT"}))
    past = "2020-01-01T00:00:00Z"
    refused(ccxt.ExchangeError, "EService:Deadline elapsed", lambda: place(deadline=past))

    late = client(exchange)
    late.load_markets()
    late.options["timeDifference"] = 600_000
    refused(ccxt.InvalidNonce, "EAPI:Invalid nonce", late.fetch_balance)
    wrong = client(exchange)
    wrong.apiKey = "A" * 56
    refused(ccxt.AuthenticationError, "EAPI:Invalid key", wrong.privatePostBalance)
    wrong = client(exchange)
    wrong.secret = exchange.keys["taker-trading"][1]
    refused(ccxt.ExchangeError, "EAPI:Invalid signature", wrong.privatePostBalance)

    for text, kind in [("EService:Unavailable", ccxt.ExchangeNotAvailable), ("EService:Busy", ccxt.ExchangeNotAvailable)]:
        exchange.fault(kind="unavailable", count=1, error=text)
        refused(kind, text, lambda: place())
    exchange.fault(kind="error_page", count=1, scope={"method": "AddOrder"})
    mine = uuid.uuid4().hex
    refused(ccxt.ExchangeNotAvailable, "520", lambda: place(cl_ord_id=mine))
    # It was accepted all the same: the order is found by its client id, once.
    found = x.privatePostOpenOrders({"cl_ord_id": mine})["result"]["open"]
    assert len(found) == 1, found
    x.cancel_all_orders()
    assert owned(x) == start and x.fetch_open_orders() == [] and x.fetch_my_trades() == []


def limits(exchange):
    """The REST counter and the matching engine's refuse at their thresholds and let go when they have decayed."""
    x = ready(exchange, "taker-trading")
    exchange.pause()
    _, bid = touch(x)
    far = bid - 4000
    calls = 0
    try:
        while calls < 60:
            x.privatePostBalance()
            calls += 1
        raise AssertionError("60 calls in a row were served")
    except ccxt.DDoSProtection as error:
        assert "EAPI:Rate limit exceeded" in str(error)
    assert calls >= 20, calls
    made = 0
    try:
        while made < 60:
            # An order that is a few milliseconds old costs 1 + 8.
            placed = x.create_order(BTC, "limit", "buy", 0.001, float(far))
            x.cancel_order(placed["id"])
            made += 1
        raise AssertionError("60 orders in a row were placed and cancelled")
    except ccxt.DDoSProtection as error:
        assert "EOrder:Rate limit exceeded" in str(error)
    assert 13 <= made <= 20, made
    until(lambda: placed_again(x, far), "the counter to decay")


def placed_again(x, price):
    try:
        return x.create_order(BTC, "limit", "buy", 0.001, float(price))
    except ccxt.DDoSProtection:
        time.sleep(0.2)
        return None


def post_only_at_once(exchange):
    """Where the venue refuses a crossing post-only order in its answer, the client hears it there."""
    x = ready(exchange)
    exchange.pause()
    ask, _ = touch(x)
    refused(ccxt.ExchangeError, "EOrder:Post only order",
            lambda: x.create_order(BTC, "limit", "buy", 0.01, float(ask + 10), {"postOnly": True}))
    assert x.fetch_open_orders() == [] and x.fetch_closed_orders() == []
