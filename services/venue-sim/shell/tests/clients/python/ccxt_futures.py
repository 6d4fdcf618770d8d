"""ccxt on the simulated Kraken Futures, with its own default hosts: what a stranger reads.

Source of the numbers: the exchange's own book and trades as ccxt reads them; exact texts come from `info`.
"""

from decimal import Decimal as D

import ccxt
from money import until

LINEAR, INVERSE = "BTC/USD:USD", "BTC/USD:BTC"


def contracts(exchange):
    # Trusting the environment's CA bundle is ccxt's own option; its pacing is for the real venue.
    x = ccxt.krakenfutures({"requests_trust_env": True, "enableRateLimit": False})
    markets = x.load_markets()
    assert len(markets) == 16, sorted(markets)
    linear, inverse = markets[LINEAR], markets[INVERSE]
    assert (linear["id"], linear["linear"], linear["swap"], linear["active"]) == ("PF_XBTUSD", True, True, True)
    assert (inverse["id"], inverse["inverse"], inverse["settle"]) == ("PI_XBTUSD", True, "BTC")
    assert (linear["precision"]["price"], linear["precision"]["amount"]) == (1, 1e-4)
    assert (inverse["precision"]["price"], inverse["contractSize"]) == (0.5, 1)
    dated = [market for market in markets.values() if market["future"]]
    assert len(dated) == 8 and all(market["expiry"] > x.milliseconds() for market in dated), dated

    traded = lambda: [s for s in (LINEAR, INVERSE) if len(x.fetch_trades(s)) >= 3]
    until(lambda: len(traded()) == 2, "three trades of both perpetuals", 120)
    exchange.pause()
    for symbol in (LINEAR, INVERSE):
        book, ticker, trades = x.fetch_order_book(symbol), x.fetch_ticker(symbol), x.fetch_trades(symbol)
        assert len(book["bids"]) > 5 and book["bids"][0][0] < book["asks"][0][0]
        assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
        assert ticker["last"] == trades[-1]["price"] and ticker["markPrice"] > 0 < ticker["indexPrice"]
        assert {trade["side"] for trade in trades} <= {"buy", "sell"}
        assert len({trade["id"] for trade in trades}) == len(trades)
        # ccxt gives no amount of an inverse contract: what it read is in `info`.
        volume = sum(D(trade["info"]["quantity"]) for trade in trades)
        candles = x.fetch_ohlcv(symbol, "1m")
        assert sum(D(str(row[5])) for row in candles) == volume == D(str(ticker["info"]["vol24h"]))
        assert max(row[2] for row in candles) == max(trade["price"] for trade in trades)
        assert candles[-1][4] == ticker["last"] and candles[0][0] % 60_000 == 0
        marks = x.fetch_ohlcv(symbol, "1m", params={"price": "mark"})
        assert abs(marks[-1][4] / ticker["indexPrice"] - 1) <= 0.01
        assert isinstance(x.fetch_funding_rate_history(symbol), list)
    assert set(x.fetch_tickers([LINEAR, INVERSE])) == {LINEAR, INVERSE}
    rate = x.fetch_funding_rates([LINEAR])[LINEAR]
    assert rate["symbol"] == LINEAR and abs(rate["fundingRate"]) <= 0.0025, rate
    y = ccxt.krakenfutures({"requests_trust_env": True, "apiKey": "k", "secret": "c2VjcmV0"})
    try:
        y.fetch_open_orders()
    except ccxt.AuthenticationError as error:
        assert "authenticationError" in str(error)
    else:
        raise AssertionError("a stranger's orders were told")
