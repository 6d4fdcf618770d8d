//! The trading desk: what the venue does with orders, accounts and keys, typed.
//!
//! SIGNATURES (bodies follow; this block goes when they are here):
//!
//! ```text
//! impl Desk {
//!   pub fn new(settings: DeskSettings, now: Timestamp) -> Result<Self, Vec<SettingProblem>>;
//!   pub fn catalogue(&self) -> &Catalogue;
//!   pub fn exchange(&self) -> &Exchange;
//!   pub fn drain(&mut self, account: &mut Vec<AccountEvent>, public: &mut Vec<(Timestamp, PublicFact)>);
//!   // keys, tokens (nonce: digits only; checks key, signature, otp, nonce, REST counter, permission in this order)
//!   pub fn authorise_rest(&mut self, now, call: &PrivateCall<'_>) -> DeskResult<TraderIx>;
//!   pub fn issue_token(&mut self, now, trader: TraderIx, key: &str) -> DeskResult<(String, u32)>;
//!   pub fn trader_of_token(&self, now, token: &str, peer: PeerId) -> DeskResult<TraderIx>;
//!   pub fn token_used(&mut self, token: &str, peer: PeerId);   // after the first private subscription: never expires for this peer
//!   pub fn peer_closed(&mut self, peer: PeerId);
//!   pub fn key_facts(&self, key: &str) -> Option<KeyFacts<'_>>;
//!   // accounts
//!   pub fn balances(&self, trader) -> Vec<BalanceRow<'_>>;          // every asset ever owned
//!   pub fn trade_volume(&self, now, trader, pairs: &[MarketIx]) -> VolumeFacts<'_>;
//!   pub fn deposit(&mut self, now, trader, asset: &str, amount: Decimal) -> DeskResult<String>;  // ledger id; negative = withdrawal
//!   pub fn traders(&self) -> impl Iterator<Item = (TraderIx, &str)>;   // accounts by name
//!   // orders
//!   pub fn add(&mut self, now, trader, order: AddOrder) -> DeskResult<Added>;
//!   pub fn add_batch(&mut self, now, trader, batch: AddBatch) -> DeskResult<Vec<DeskResult<Added>>>;
//!   pub fn amend(&mut self, now, trader, amend: &AmendOrder) -> DeskResult<IdText>;
//!   pub fn edit(&mut self, now, trader, edit: &EditOrder) -> DeskResult<Edited>;
//!   pub fn cancel(&mut self, now, trader, order: &OrderRef) -> DeskResult<u32>;
//!   pub fn cancel_batch(&mut self, now, trader, orders: &[OrderRef]) -> DeskResult<u32>;
//!   pub fn cancel_all(&mut self, now, trader) -> DeskResult<u32>;
//!   pub fn cancel_all_after(&mut self, now, trader, seconds: u32) -> DeskResult<(Timestamp, Option<Timestamp>)>;
//!   // reading
//!   pub fn order(&self, order: OrderNo) -> Option<OrderFacts<'_>>;
//!   pub fn find_order(&self, trader, txid: &str) -> Option<OrderNo>;
//!   pub fn order_id(&self, order: OrderNo) -> IdText;              // any order, the crowd's too (level 3)
//!   pub fn describe(&self, facts: &OrderFacts<'_>) -> String;      // descr.order
//!   pub fn describe_close(&self, facts: &OrderFacts<'_>) -> String; // descr.close
//!   pub fn open_orders(&self, trader) -> impl Iterator<Item = OrderNo>;
//!   pub fn closed_orders(&self, trader, query: &ClosedQuery) -> Page<OrderNo>;
//!   pub fn executions(&self, trader, query: &ExecutionQuery) -> Page<Arc<Execution>>;
//!   pub fn execution(&self, trader, exec_id: &str) -> Option<&Arc<Execution>>;
//!   pub fn last_executions(&self, trader, count: usize) -> impl Iterator<Item = &Arc<Execution>>;  // oldest first
//!   pub fn ledger(&self, trader, query: &LedgerQuery) -> Page<Arc<LedgerEntry>>;
//!   pub fn ledger_entry(&self, trader, ledger_id: &str) -> Option<&Arc<LedgerEntry>>;
//!   pub fn order_amends(&self, trader, order_id: &str) -> DeskResult<&[AmendRow]>;
//!   pub fn rate_count(&self, now, trader, market) -> Decimal;  pub fn max_rate_count(&self, trader) -> Option<u32>;
//!   pub fn forgotten(&self, trader) -> Forgotten;
//!   // the market
//!   pub fn flow(&mut self, now, flow: &Flow) -> DeskResult<()>;
//!   pub fn system_mode(&self) -> SystemMode;   pub fn set_system_mode(&mut self, now, SystemMode);
//!   pub fn set_pair_status(&mut self, now, symbol: &str, PairStatus) -> DeskResult<()>;
//!   pub fn tick(&mut self, now);   pub fn next_deadline(&self) -> Option<Timestamp>;
//! }
//! ```
//! `AddBatch { pair: String, orders: Vec<AddOrder>, deadline: Option<Timestamp>, is_validate_only: bool }` goes to `api.rs`.
//! Decimal texts carry the pair's trailing zeros (`Decimal::to_string`).
