//! Orders as clients write them over REST, into the desk's words.
//! Source: Kraken REST reference, `AddOrder`, `AddOrderBatch`, `AmendOrder`, `EditOrder` (checked June 2026).

use super::fields::Fields;
use super::read::{AssetClass, order_ref};
use crate::server::desk::{
    AddOrder, AmendOrder, Contingent, DeskResult, OrderKind, OrderRef, PriceSpec, Stp, Tif,
    TriggerReference,
};
use crate::server::error::KrakenError;
use remora_domain::{Side, Timestamp};

/// Reads one order. In a batch `pair`, `deadline` and `validate` stand beside the orders, so they are given.
pub(super) fn add_order(
    fields: &Fields,
    pair: &str,
    deadline: Option<Timestamp>,
    is_validate_only: bool,
) -> DeskResult<AddOrder> {
    let side = fields.read("type", side)?.ok_or(KrakenError::InvalidArgument("type"))?;
    let kind = fields.read("ordertype", OrderKind::from_name)?;
    let kind = kind.ok_or(KrakenError::InvalidArgument("ordertype"))?;
    let (limit, trigger) = prices(fields, kind)?;
    let flags = order_flags(fields)?;
    let expire = fields.moment("expiretm")?;
    let tif = fields.read("timeinforce", tif)?;
    // Before `timeinforce` existed an expiry time alone made an order good till that date; it still does.
    let tif = tif.unwrap_or(if expire.is_some() { Tif::Gtd } else { Tif::Gtc });
    Ok(AddOrder {
        pair: pair.to_owned(),
        side,
        kind,
        qty: fields.decimal("volume")?.ok_or(KrakenError::InvalidArgument("volume"))?,
        is_qty_in_quote: flags.is_qty_in_quote,
        display_qty: fields.decimal("displayvol")?,
        limit,
        trigger,
        trigger_reference: fields.read("trigger", trigger_reference)?.unwrap_or_default(),
        tif,
        start: fields.moment("starttm")?,
        expire,
        is_post_only: flags.is_post_only,
        is_fee_in_base: flags.is_fee_in_base,
        userref: fields.userref()?,
        cl_ord_id: fields.scalar("cl_ord_id")?.map(str::to_owned),
        stp: fields.read("stptype", stp)?.unwrap_or_default(),
        is_reduce_only: fields.flag("reduce_only", false)?,
        is_margin: fields.read("leverage", leverage)?.unwrap_or(false),
        contingent: contingent(fields)?,
        deadline,
        is_validate_only,
    })
}

/// Reads the pair of an order; tokenised assets are not listed here.
pub(super) fn pair(fields: &Fields) -> DeskResult<&str> {
    let pair = fields.required("pair")?;
    match fields.asset_class("asset_class")? {
        AssetClass::Currency => Ok(pair),
        AssetClass::Tokenized => Err(KrakenError::UnknownPair),
    }
}

/// Reads an amendment.
pub(super) fn amend_order(fields: &Fields) -> DeskResult<AmendOrder> {
    Ok(AmendOrder {
        order: named_order(fields)?,
        qty: fields.decimal("order_qty")?,
        display_qty: fields.decimal("display_qty")?,
        limit: fields.price("limit_price")?,
        trigger: fields.price("trigger_price")?,
        is_post_only: fields.flag("post_only", false)?,
        deadline: fields.deadline()?,
    })
}

/// Reads which order is meant: exactly one of `txid` and `cl_ord_id`.
pub(super) fn named_order(fields: &Fields) -> DeskResult<OrderRef> {
    match (fields.scalar("txid")?, fields.scalar("cl_ord_id")?) {
        (Some(txid), None) => Ok(order_ref(txid)),
        (None, Some(id)) => Ok(OrderRef::ClOrdId(id.to_owned())),
        (Some(_), Some(_)) | (None, None) => Err(KrakenError::InvalidArguments),
    }
}

/// Reads limit and trigger of an order: which of `price` and `price2` is which depends on its type.
pub(super) fn prices(
    fields: &Fields,
    kind: OrderKind,
) -> DeskResult<(Option<PriceSpec>, Option<PriceSpec>)> {
    let (price, price2) = (fields.price("price")?, fields.price("price2")?);
    match kind {
        // A price beside a market order is ignored, as the venue does.
        OrderKind::Market | OrderKind::SettlePosition => Ok((None, None)),
        OrderKind::Limit | OrderKind::Iceberg => Ok((price, None)),
        OrderKind::StopLoss | OrderKind::TakeProfit | OrderKind::TrailingStop => Ok((None, price)),
        OrderKind::StopLossLimit | OrderKind::TakeProfitLimit | OrderKind::TrailingStopLimit => {
            Ok((price2, price))
        }
    }
}

/// Is `oflags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OrderFlags {
    /// `post`
    pub(super) is_post_only: bool,
    /// `viqc`
    pub(super) is_qty_in_quote: bool,
    /// `fcib` or `fciq`.
    pub(super) is_fee_in_base: Option<bool>,
}

/// Reads `oflags`: a list with commas; anything else is refused, a JSON list too.
pub(super) fn order_flags(fields: &Fields) -> DeskResult<OrderFlags> {
    let wrong = || KrakenError::InvalidArgument("oflags");
    let mut flags = OrderFlags::default();
    for flag in fields.scalar("oflags")?.unwrap_or_default().split(',') {
        match flag.trim() {
            "post" => flags.is_post_only = true,
            "viqc" => flags.is_qty_in_quote = true,
            "fcib" if flags.is_fee_in_base != Some(false) => flags.is_fee_in_base = Some(true),
            "fciq" if flags.is_fee_in_base != Some(true) => flags.is_fee_in_base = Some(false),
            // No market price protection: ignored by the venue since September 2025.
            "nompp" | "" => {}
            _ => return Err(wrong()),
        }
    }
    Ok(flags)
}

fn contingent(fields: &Fields) -> DeskResult<Option<Contingent>> {
    let Some(kind) = fields.read("close[ordertype]", OrderKind::from_name)? else {
        return Ok(None);
    };
    let (price, price2) = (fields.price("close[price]")?, fields.price("close[price2]")?);
    Ok(Some(Contingent { kind, price, price2 }))
}

fn side(text: &str) -> Option<Side> {
    match text {
        "buy" => Some(Side::Buy),
        "sell" => Some(Side::Sell),
        _ => None,
    }
}

fn tif(text: &str) -> Option<Tif> {
    [("GTC", Tif::Gtc), ("IOC", Tif::Ioc), ("FOK", Tif::Fok), ("GTD", Tif::Gtd)]
        .into_iter()
        .find_map(|(name, tif)| name.eq_ignore_ascii_case(text).then_some(tif))
}

fn stp(text: &str) -> Option<Stp> {
    match text {
        "cancel-newest" => Some(Stp::CancelNewest),
        "cancel-oldest" => Some(Stp::CancelOldest),
        "cancel-both" => Some(Stp::CancelBoth),
        _ => None,
    }
}

fn trigger_reference(text: &str) -> Option<TriggerReference> {
    match text {
        "last" => Some(TriggerReference::Last),
        "index" => Some(TriggerReference::Index),
        _ => None,
    }
}

/// Reads `leverage`: `none`, `1`, or a factor such as `5` or `5:1`, which means margin.
fn leverage(text: &str) -> Option<bool> {
    if text == "none" {
        return Some(false);
    }
    let factor: u8 = text.strip_suffix(":1").unwrap_or(text).parse().ok()?;
    Some(factor > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    fn read(form: &str) -> DeskResult<AddOrder> {
        add_order(&Fields::form(form.as_bytes()).unwrap(), "XBTUSD", None, false)
    }

    fn dec(text: &str) -> PriceSpec {
        PriceSpec::Static(Decimal::from_str_exact(text).unwrap())
    }

    #[test]
    fn a_limit_order_is_read_as_python_kraken_sdk_sends_it() {
        let order = read(
            "ordertype=limit&type=buy&pair=XBTUSD&volume=4&stptype=cancel-newest&starttm=0&validate=False&reduce_only=False&price=23000&oflags=post%2Cfcib&displayvol=0.5&expiretm=1771234567",
        )
        .unwrap();
        assert_eq!(
            (order.kind, order.side, order.limit),
            (OrderKind::Limit, Side::Buy, Some(dec("23000")))
        );
        assert_eq!((order.is_post_only, order.is_fee_in_base), (true, Some(true)));
        assert_eq!((order.tif, order.start), (Tif::Gtd, None), "an expiry alone is good till date");
        assert!(!order.is_margin && !order.is_reduce_only && order.contingent.is_none());
    }

    #[test]
    fn prices_mean_limit_or_trigger_by_type() {
        for (kind, limit, trigger) in [
            ("market", None, None),
            ("limit", Some(dec("1")), None),
            ("iceberg", Some(dec("1")), None),
            ("stop-loss", None, Some(dec("1"))),
            ("take-profit-limit", Some(dec("2")), Some(dec("1"))),
            ("trailing-stop", None, Some(dec("1"))),
        ] {
            let order =
                read(&format!("type=sell&ordertype={kind}&volume=1&price=1&price2=2")).unwrap();
            assert_eq!((order.limit, order.trigger), (limit, trigger), "{kind}");
        }
    }

    #[test]
    fn a_conditional_close_is_read_with_raw_brackets() {
        let order = read(
            "type=buy&ordertype=limit&volume=1&price=10&close[ordertype]=stop-loss-limit&close[price]=9&close[price2]=-5%25",
        )
        .unwrap();
        let close = order.contingent.unwrap();
        assert_eq!((close.kind, close.price), (OrderKind::StopLossLimit, Some(dec("9"))));
        assert!(matches!(close.price2, Some(PriceSpec::Percent { .. })));
    }

    #[test]
    fn every_field_names_itself_when_it_is_wrong() {
        let good = "type=buy&ordertype=limit&volume=1&price=10";
        for (bad, field) in [
            ("type=hold", "type"),
            ("ordertype=lmt", "ordertype"),
            ("volume=1e-5", "volume"),
            ("volume=-1", "volume"),
            ("price=ten", "price"),
            ("price2=2%25", "price2"),
            ("trigger=mark", "trigger"),
            ("timeinforce=GTX", "timeinforce"),
            ("expiretm=+60", "expiretm"),
            ("starttm=now", "starttm"),
            ("oflags=post,maker", "oflags"),
            ("oflags=fcib,fciq", "oflags"),
            ("oflags[]=post", "oflags"),
            ("userref=2147483648", "userref"),
            ("stptype=none", "stptype"),
            ("leverage=lots", "leverage"),
            ("reduce_only=perhaps", "reduce_only"),
            ("displayvol=-1", "displayvol"),
            ("close[ordertype]=x", "close[ordertype]"),
        ] {
            let answer = read(&format!("{good}&{bad}"));
            assert_eq!(answer.unwrap_err(), KrakenError::InvalidArgument(field), "{bad}");
        }
        assert_eq!(read("type=buy&ordertype=limit"), Err(KrakenError::InvalidArgument("volume")));
    }

    #[test]
    fn an_amended_order_has_exactly_one_name() {
        let read = |form: &str| amend_order(&Fields::form(form.as_bytes()).unwrap());
        let amend = read("txid=OQCLML-BW3P3-BUCMWZ&limit_price=%2B5&post_only=true").unwrap();
        assert!(amend.is_post_only && amend.limit.is_some() && amend.qty.is_none());
        let named = read("cl_ord_id=mm-1").unwrap().order;
        assert_eq!(named, OrderRef::ClOrdId("mm-1".to_owned()));
        assert_eq!(read("txid=A&cl_ord_id=b"), Err(KrakenError::InvalidArguments));
        assert_eq!(read("order_qty=1"), Err(KrakenError::InvalidArguments));
    }
}
