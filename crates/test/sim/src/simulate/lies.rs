//! What the exchange tells of our account that is not so, and what is there that is not ours.

use super::kinds::FaultKind;
use super::world::World;
use remora_domain::{Amount, ClOrdId, OpenOrder, OrderId, Price, Qty, Side, VenueReport};
use rust_decimal::Decimal;

/// One of two.
const HALF_PPM: u64 = 500_000;

impl World {
    /// Alters what the exchange tells of the account while that goes wrong.
    pub(super) fn falsify(&mut self, report: &mut VenueReport) {
        if let VenueReport::Balances(balances) = report
            && self.now < self.road.balances_wrong_until
        {
            // Half of what there is, or five times as much; what is held in orders stays.
            let times_five = self.is_drawn(HALF_PPM);
            for entry in &mut balances.entries {
                let by = if times_five { Decimal::new(5, 0) } else { Decimal::new(5, 1) };
                let altered = entry.total.to_decimal().checked_mul(by);
                let altered = altered.and_then(|total| Amount::from_decimal(total).ok());
                entry.total = altered.unwrap_or(entry.total);
            }
            self.count(FaultKind::WrongBalances);
        }
        if let VenueReport::OpenOrders { orders, .. } = report {
            orders.extend(self.taking.stranger().cloned());
        }
        if let VenueReport::OpenOrders { orders, .. } = report
            && self.now < self.road.foreign_until
            && let Some(instrument) = self.listed.first().map(|one| one.key.clone())
            && let (Ok(order_id), Ok(price), Ok(qty)) =
                (OrderId::new("FOREIGN-1"), Price::parse("1"), Qty::parse("1"))
        {
            let cl_ord_id = if self.is_drawn(HALF_PPM) { ClOrdId::new("web-1").ok() } else { None };
            let open = OpenOrder {
                cl_ord_id,
                order_id,
                instrument,
                side: Side::Buy,
                price,
                order_qty: qty,
                cum_qty: Qty::ZERO,
            };
            orders.push(open);
            self.count(FaultKind::ForeignOrders);
        }
    }
}
