//! Balances, deposits, volumes and fees.

use super::account::{Account, step};
use super::facts::{BalanceRow, FeeRow, Forgotten, PairFees, VolumeFacts};
use super::{Desk, DeskResult};
use crate::server::catalogue::{FeeSchedule, FeeTier, PairDef, units};
use crate::server::error::KrakenError;
use remora_domain::Timestamp;
use remora_matching::{FeeRates, MarketIx, Refusal, TraderIx};
use rust_decimal::Decimal;

/// The decimals of percentages that the exchange counts in: millionths.
const PERCENT_DECIMALS: u32 = 4;

impl Desk {
    /// Gives every balance an account ever had.
    #[must_use]
    pub fn balances(&self, trader: TraderIx) -> Vec<BalanceRow<'_>> {
        let balances = self.exchange.balances(trader);
        let rows = balances.filter_map(|(asset, balance)| {
            let asset = self.catalogue.asset(asset)?;
            let (total, held) = (asset.amount(balance.total), asset.amount(balance.held));
            Some(BalanceRow { asset, total, held })
        });
        rows.collect()
    }

    /// Adds to a balance; a negative amount takes from what is not held. Gives the ledger entry's id.
    ///
    /// # Errors
    /// An unknown asset, an amount of nothing or with too many decimals, or more than there is.
    pub fn deposit(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        asset: &str,
        amount: Decimal,
    ) -> DeskResult<String> {
        let asset = self.catalogue.find_asset(asset).ok_or(KrakenError::UnknownAsset)?;
        let money = units(amount, asset.decimals).filter(|&money| money != 0);
        let money = money.ok_or(KrakenError::InvalidArgument("amount"))?;
        let done = self.exchange.deposit(trader, asset.ix, money, &mut self.events);
        done.map_err(|refusal| match refusal {
            Refusal::Funds => KrakenError::InsufficientFunds,
            Refusal::Unknown
            | Refusal::Mode(_)
            | Refusal::Tick
            | Refusal::Lot
            | Refusal::QtyMin
            | Refusal::CostMin
            | Refusal::PostOnly
            | Refusal::Fields(_)
            | Refusal::Range => KrakenError::InvalidArgument("amount"),
        })?;
        self.absorb(now);
        let entry = self.accounts.get(&trader).and_then(|account| account.ledger.back());
        Ok(entry.map(|entry| entry.ledger_id.clone()).unwrap_or_default())
    }

    /// Gives what an account traded in 30 days, and its fees on these pairs.
    #[must_use]
    pub fn trade_volume(
        &self,
        now: Timestamp,
        trader: TraderIx,
        pairs: &[MarketIx],
    ) -> VolumeFacts<'_> {
        let Some(account) = self.accounts.get(&trader) else {
            return VolumeFacts { volume: Decimal::ZERO, fees: Vec::new() };
        };
        let volume = account.volume.at(now);
        let fees = pairs.iter().filter_map(|&market| {
            let pair = self.catalogue.pair(market)?;
            let schedule = self.catalogue.schedule(pair)?;
            let step = step(schedule, volume);
            let maker = fee_row(schedule, step, |tier| tier.maker_percent)?;
            let taker = fee_row(schedule, step, |tier| tier.taker_percent)?;
            Some(PairFees { pair, maker, taker })
        });
        VolumeFacts { volume, fees: fees.collect() }
    }

    /// Gives how much of an account's history was dropped.
    #[must_use]
    pub fn forgotten(&self, trader: TraderIx) -> Forgotten {
        self.accounts.get(&trader).map(|account| account.forgotten).unwrap_or_default()
    }

    /// Counts a trade for the volume and moves the account to the fees it now has.
    pub(crate) fn count_volume(
        &mut self,
        now: Timestamp,
        trader: TraderIx,
        market: MarketIx,
        cost: Decimal,
    ) {
        let Some(pair) = self.catalogue.pair(market) else { return };
        let counts = self.catalogue.schedule(pair).is_some_and(|it| it.counts_as_volume);
        let usd = self.in_usd(pair, cost).filter(|_| counts);
        if let Some((account, usd)) = self.accounts.get_mut(&trader).zip(usd) {
            account.volume.add(now, usd);
            self.refresh_fees(now, trader);
        }
    }

    /// Gives an amount of a pair's quote in US dollars, where the rate is known.
    pub(crate) fn in_usd(&self, pair: &PairDef, amount: Decimal) -> Option<Decimal> {
        let rate = self.catalogue.asset(pair.quote)?.usd_rate?;
        amount.checked_mul(rate)
    }

    /// Sets the fees that an account's volume gives it, where they changed.
    pub(crate) fn refresh_fees(&mut self, now: Timestamp, trader: TraderIx) {
        let Self { accounts, catalogue, exchange, .. } = self;
        let Some(account) = accounts.get_mut(&trader) else { return };
        account.volume.expire(now);
        let volume = account.volume.total();
        let is_first = account.steps.is_empty();
        let is_same = |account: &Account| {
            let mut steps = account.steps.iter().zip(catalogue.schedules());
            steps.all(|(&before, schedule)| before == step(schedule, volume))
        };
        if !is_first && is_same(account) {
            return;
        }
        let before = std::mem::take(&mut account.steps);
        account.steps = catalogue.schedules().iter().map(|it| step(it, volume)).collect();
        for pair in catalogue.pairs() {
            let now = account.steps.get(pair.schedule);
            let is_changed = is_first || before.get(pair.schedule) != now;
            let tier = catalogue.schedule(pair).zip(now).and_then(|(it, &at)| it.tiers.get(at));
            if let Some(rates) = tier.filter(|_| is_changed).and_then(rates) {
                exchange.set_fees(trader, pair.market, rates);
            }
        }
    }
}

fn rates(tier: &FeeTier) -> Option<FeeRates> {
    let ppm = |percent| units(percent, PERCENT_DECIMALS).and_then(|ppm| i64::try_from(ppm).ok());
    Some(FeeRates { maker_ppm: ppm(tier.maker_percent)?, taker_ppm: ppm(tier.taker_percent)? })
}

fn fee_row(
    schedule: &FeeSchedule,
    step: usize,
    percent: impl Fn(&FeeTier) -> Decimal,
) -> Option<FeeRow> {
    let tier = schedule.tiers.get(step)?;
    let next = schedule.tiers.get(step.checked_add(1)?);
    Some(FeeRow {
        fee: percent(tier),
        min: schedule.tiers.iter().map(&percent).min()?,
        max: schedule.tiers.iter().map(&percent).max()?,
        next: next.map(&percent),
        next_volume: next.map(|next| next.volume_usd),
        tier_volume: tier.volume_usd,
    })
}
