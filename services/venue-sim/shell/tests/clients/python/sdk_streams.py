"""python-kraken-sdk over WebSocket v2, with its own default hosts. Its order book client verifies every checksum."""

import asyncio
import zlib
from decimal import Decimal as D

from kraken.spot import SpotOrderBookClient, SpotWSClient
from money import MAKER, rounded, settled, spent
from sdk_rest import Trader, touch

BTC = "BTC/USD"
PATIENCE_S = 30


class Books(SpotOrderBookClient):
    """The SDK's own books; it says what it found wrong by a message with `error`."""

    def __init__(self, depth):
        super().__init__(depth=depth)
        self.updates, self.mismatches, self.changed = {}, [], asyncio.Event()

    async def on_book_update(self, pair, message):
        if "error" in message:
            self.mismatches.append(pair)
        elif message["type"] == "update":
            self.updates[pair] = self.updates.get(pair, 0) + 1
        self.changed.set()

    async def wait(self, is_enough):
        while not is_enough():
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), PATIENCE_S)


async def books(exchange):
    """Hundreds of updates of every precision at two depths, each verified by the SDK; then compared with REST."""
    pairs = [BTC, "ETH/USD", "ADA/USD", "DOGE/USD", "XRP/USD", "EXA/USD", "ETH/BTC", "USDT/USD"]
    clients = [Books(10), Books(100)]
    for client in clients:
        await client.start()
        await client.add_book(pairs=pairs)
    for client in clients:
        await client.wait(lambda: sum(client.updates.values()) >= 400 and len(client.updates) >= 6)
        assert client.mismatches == [], client.mismatches
    exchange.pause()
    ask, bid = touch()

    def check():
        for pair in pairs:
            book = client.get(pair)
            assert book["valid"] and 5 <= len(book["ask"]) <= client.depth, pair
        mine = client.get(BTC)
        assert (D(next(iter(mine["ask"]))), D(next(iter(mine["bid"])))) == (ask, bid)

    for client in clients:
        await settled(check)
        assert client.mismatches == [], client.mismatches
        await client.close()


async def corrupted(exchange):
    """One wrong digit: the SDK notices on that frame, of that pair, subscribes anew and goes on."""
    client = Books(10)
    await client.start()
    await client.add_book(pairs=[BTC, "ETH/USD"])
    await client.wait(lambda: client.updates.get(BTC, 0) >= 5)
    exchange.fault(kind="corrupt_checksum", count=1, scope={"pair": "ETH/USD"})
    await client.wait(lambda: client.mismatches)
    before = dict(client.updates)
    await client.wait(lambda: client.updates["ETH/USD"] > before["ETH/USD"] + 5)
    assert client.mismatches == ["ETH/USD"] and client.get("ETH/USD")["valid"] and client.get(BTC)["valid"]
    await client.close()


class Session:
    """One SDK client that keeps every message; `find` waits for one that fits."""

    def __init__(self, *key, **hosts):
        self.messages, self.arrived = [], asyncio.Event()
        self.client = SpotWSClient(*key, callback=self.take, no_public=bool(key), **hosts)

    async def take(self, message):
        self.messages.append(message)
        self.arrived.set()

    async def find(self, fits, start=0):
        """Gives the first message from `start` on that fits."""
        while True:
            self.arrived.clear()
            for message in self.messages[start:]:
                if fits(message):
                    return message
                start += 1
            try:
                await asyncio.wait_for(self.arrived.wait(), PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"nothing fits; last: {self.messages[-5:]}") from None

    async def ask(self, method, **params):
        """Sends a trading method and gives its answer."""
        number = 1_000 + len(self.messages)
        await self.client.send_message({"method": method, "req_id": number, "params": params})
        return await self.find(lambda it: it.get("req_id") == number)

    async def subscribe(self, **params):
        await self.client.subscribe(params=params)
        return await self.find(is_data(params["channel"], "snapshot"))

    def data(self, channel):
        """Gives the items of a channel's updates, in order."""
        updates = [it for it in self.messages if it.get("channel") == channel and it["type"] == "update"]
        return [item for it in updates for item in it["data"]]


def is_data(channel, kind):
    return lambda it: it.get("channel") == channel and it.get("type") == kind


async def market(exchange):
    """Instruments, tickers, trades, candles: snapshots, updates, and the answer to an unknown symbol."""
    session = Session()
    await session.client.start()
    status = await session.find(is_data("status", "update"))
    assert status["data"][0]["system"] == "online" and status["data"][0]["api_version"] == "v2"
    pairs = (await session.subscribe(channel="instrument"))["data"]["pairs"]
    btc = next(pair for pair in pairs if pair["symbol"] == BTC)
    assert len(pairs) == 13 and (btc["price_precision"], btc["qty_precision"], btc["status"]) == (1, 8, "online")
    await session.subscribe(channel="ticker", symbol=[BTC])
    await session.subscribe(channel="trade", symbol=[BTC, "ETH/USD"], snapshot=True)
    await session.subscribe(channel="ohlc", symbol=[BTC], interval=1)
    trade = (await session.find(lambda it: is_data("trade", "update")(it) and it["data"][0]["symbol"] == BTC))["data"][-1]
    candle = (await session.find(is_data("ohlc", "update")))["data"][-1]
    ticker = (await session.find(is_data("ticker", "update")))["data"][-1]
    assert candle["close"] == ticker["last"] == trade["price"], (candle, ticker, trade)
    assert candle["low"] <= candle["close"] <= candle["high"] and candle["interval"] == 1
    await session.find(lambda it: it.get("channel") == "heartbeat")
    await session.client.subscribe(params={"channel": "ticker", "symbol": ["XBT/USD"]})
    refused = await session.find(lambda it: it.get("success") is False)
    assert refused["error"] == "Currency pair not supported XBT/USD", refused
    await session.client.unsubscribe(params={"channel": "trade", "symbol": ["ETH/USD"]})
    left = await session.find(lambda it: it.get("method") == "unsubscribe")
    assert left["success"] and left["result"]["symbol"] == "ETH/USD", left
    await session.client.close()


async def level3(exchange):
    """The order-level book on its own host: our order is in its queue, and every checksum fits."""
    session = Session(*exchange.keys["maker-trading"], auth_ws_url="wss://ws-l3.kraken.com")
    maker = Trader(exchange, "maker-trading")
    exchange.pause()
    await session.client.start()
    snapshot = (await session.subscribe(channel="level3", symbol=[BTC], depth=10))["data"][0]
    book = {side: [(row["order_id"], row["limit_price"], row["order_qty"]) for row in snapshot[side]] for side in ("bids", "asks")}
    assert checksum(book) == snapshot["checksum"]
    _, bid = touch()
    order = await asyncio.to_thread(maker.place, "buy", "0.012345", bid)
    update = (await session.find(is_data("level3", "update")))["data"][0]
    event = update["bids"][0]
    assert (event["event"], event["order_id"], event["limit_price"], event["order_qty"]) == ("add", order, float(bid), 0.012345)
    ahead = [row for row in book["bids"] if row[1] >= float(bid)]
    book["bids"].insert(len(ahead), (order, float(bid), 0.012345))
    assert checksum(book) == update["checksum"]
    await asyncio.to_thread(maker.trade.amend_order, txid=order, order_qty="0.01")
    update = (await session.find(lambda it: is_data("level3", "update")(it) and it["data"][0]["checksum"] != update["checksum"]))["data"][0]
    assert update["bids"][0]["event"] == "modify" and update["bids"][0]["order_qty"] == 0.01
    book["bids"][len(ahead)] = (order, float(bid), 0.01)
    assert checksum(book) == update["checksum"]
    await session.client.close()


def checksum(book):
    """Over the ten best prices of each side, asks first: price and quantity of every order in queue order."""
    digits = lambda number, decimals: str(rounded(D(repr(number)), decimals)).replace(".", "").lstrip("0")
    text = ""
    for side in ("asks", "bids"):
        prices = list(dict.fromkeys(price for _, price, _ in book[side]))[:10]
        text += "".join(digits(price, 1) + digits(qty, 8) for _, price, qty in book[side] if price in prices)
    return zlib.crc32(text.encode())


async def trading(exchange):
    """An order's life over the socket: every step on `executions`, every balance on `balances`, in sequence."""
    session = Session(*exchange.keys["maker-trading"])
    taker, maker = Trader(exchange, "taker-trading"), Trader(exchange, "maker-trading")
    exchange.pause()
    _, bid = touch()
    price = float(bid + D("0.5"))
    await session.client.start()
    snapshot = await session.subscribe(channel="executions", snap_orders=True, snap_trades=True, ratecounter=True)
    assert snapshot["sequence"] == 1 and snapshot["data"] == [], snapshot
    balances = await session.subscribe(channel="balances")
    start = {row["asset"]: D(repr(row["balance"])) for row in balances["data"]}
    assert start["USD"] == start["BTC"] == 1_000_000
    wish = {"order_type": "limit", "side": "buy", "symbol": BTC, "order_qty": 0.03, "limit_price": price}
    placed = await session.ask("add_order", **wish, post_only=True, cl_ord_id="sdk-1")
    assert placed["success"] and placed["result"]["cl_ord_id"] == "sdk-1", placed
    order = placed["result"]["order_id"]
    amended = await session.ask("amend_order", order_id=order, order_qty=0.04)
    assert amended["result"]["order_id"] == order and amended["result"]["amend_id"].startswith("T")
    await asyncio.to_thread(taker.place, "sell", "0.01", bid)
    await asyncio.to_thread(taker.place, "sell", "0.03", bid)
    done = await session.find(lambda it: is_data("executions", "update")(it) and it["data"][0]["exec_type"] == "filled")
    events = [item for item in session.data("executions") if item["order_id"] == order]
    assert [it["exec_type"] for it in events] == ["pending_new", "new", "amended", "trade", "trade", "filled"], events
    fills = [it for it in events if it["exec_type"] == "trade"]
    assert [D(repr(it["last_qty"])) for it in fills] == [D("0.01"), D("0.03")]
    assert all(it["liquidity_ind"] == "m" and it["last_price"] == price for it in fills)
    cost, fee = spent([(D(repr(price)), D("0.01")), (D(repr(price)), D("0.03"))], MAKER)
    paid = sum(D(repr(it["fees"][0]["qty"])) for it in fills)
    assert paid == fee and fills[0]["fees"][0]["asset"] == "USD", (fills, fee)
    assert D(repr(done["data"][0]["cum_cost"])) == cost and done["data"][0]["cum_qty"] == 0.04
    sequences = [it["sequence"] for it in session.messages if it.get("channel") == "executions"]
    assert sequences == list(range(1, len(sequences) + 1)), sequences
    ledger = lambda: [it for it in session.data("balances") if it["type"] == "trade"]
    await session.find(lambda it: len(ledger()) == 4)
    assert {it["ref_id"] for it in ledger()} == {it["exec_id"] for it in fills}
    end = {it["asset"]: D(repr(it["balance"])) for it in ledger()}
    assert end == {"BTC": start["BTC"] + D("0.04"), "USD": start["USD"] - cost - fee}, end
    now = await asyncio.to_thread(maker.owned)
    assert (now["XXBT"][0], now["ZUSD"][0]) == (end["BTC"], end["USD"])
    await changing(session, price)
    await session.client.close()


async def changing(session, price):
    """Batches, edits and cancels over the socket."""
    far = price - 3_000
    row = lambda n: {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": round(far - n, 1)}
    batch = (await session.ask("batch_add", symbol=BTC, orders=[row(0), row(1), row(2), row(3)]))["result"]
    ids = [it["order_id"] for it in batch]
    assert len(set(ids)) == 4
    edited = await session.ask("edit_order", order_id=ids[0], symbol=BTC, order_qty=0.02, limit_price=round(far, 1))
    assert edited["result"]["original_order_id"] == ids[0], edited
    cancelled = await session.ask("cancel_order", order_id=[ids[1]])
    assert cancelled["success"] and cancelled["result"]["order_id"] == ids[1]
    count = await session.ask("batch_cancel", orders=ids[2:])
    assert count["success"] and count["result"]["count"] == 2, count
    assert (await session.ask("cancel_all"))["result"]["count"] == 1
    reasons = {it["order_id"]: it["reason"] for it in session.data("executions") if it["exec_type"] == "canceled"}
    assert reasons[ids[1]] == "User requested" and set(ids) <= set(reasons), reasons
    unknown = await session.ask("cancel_order", order_id=["OAAAAA-BBBBB-CCCCCC"])
    assert (unknown["success"], unknown["error"]) == (False, "EOrder:Unknown order"), unknown
    poor = await session.ask("add_order", order_type="limit", side="buy", symbol=BTC, order_qty=100, limit_price=round(far, 1))
    assert (poor["success"], poor["error"]) == (False, "EOrder:Insufficient funds"), poor
    checked = await session.ask("add_order", **row(0), symbol=BTC, validate=True)
    assert checked["success"] and "order_id" not in checked["result"], checked
    await session.ask("add_order", **row(0), symbol=BTC)
    armed = await session.ask("cancel_all_orders_after", timeout=1)
    assert armed["success"] and armed["result"]["triggerTime"] > armed["result"]["currentTime"], armed
    start = len(session.messages)
    await session.find(lambda it: is_data("executions", "update")(it) and it["data"][0]["exec_type"] == "canceled", start)


async def reconnected(exchange):
    """The venue drops every socket; the SDK comes back by itself and its subscriptions with it."""
    session = Session(*exchange.keys["maker-trading"])
    maker = Trader(exchange, "maker-trading")
    exchange.pause()
    _, bid = touch()
    await session.client.start()
    await session.subscribe(channel="executions", snap_orders=True)
    order = await asyncio.to_thread(maker.place, "buy", "0.01", bid - 100)
    await session.find(is_data("executions", "update"))
    start = len(session.messages)
    exchange.fault(kind="disconnected")
    again = await session.find(is_data("executions", "snapshot"), start)
    assert [row["order_id"] for row in again["data"]] == [order] and again["sequence"] == 1, again
    await session.client.close()
