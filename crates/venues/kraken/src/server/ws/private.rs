//! Private subscriptions: whose they are, and what they start with.

use super::wanted::{Channel, Wanted};
use super::{ExecutionsSub, Room, Sessions, balances, executions, publish};
use crate::server::auth::Permission;
use crate::server::desk::OrderFacts;
use crate::server::io::{PeerId, ServerOutput};
use crate::server::ws::peer::Topic;
use crate::server::ws::reply::{Head, failure, success};
use crate::server::ws::request::Refusal;
use remora_matching::TraderIx;

impl Sessions {
    /// Subscribes to executions or balances.
    pub(super) fn subscribe_private(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        head: Head<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<(), Refusal> {
        let token = wanted.token.as_deref().ok_or_else(|| Refusal::missing("token"))?;
        let is_executions = wanted.channel == Channel::Executions;
        let needs =
            if is_executions { Permission::QueryOpenTrades } else { Permission::QueryFunds };
        let trader = match room.desk.authorise_token(room.time, token, peer, needs) {
            Ok(trader) => trader,
            Err(error) => {
                // This refusal names the channel and a status beside the usual members (captured in September 2026).
                let text = failure(&mut self.pen.json, head, &error.into(), |json| {
                    json.key("channel").string(wanted.channel.word());
                    json.key("status").string("error");
                });
                room.out.push(ServerOutput::WsSend { peer, text });
                return Ok(());
            }
        };
        let topic = if is_executions { Topic::Executions } else { Topic::Balances };
        self.admit(room.now, peer, topic, 0)?;
        let Some(known) = self.peers.get_mut(peer) else { return Ok(()) };
        if known.trader.is_some_and(|other| other != trader) {
            return Err("ESession:Invalid session".into());
        }
        known.trader = Some(trader);
        room.desk.token_used(token, peer);
        self.peers.join(room.now, peer, topic, 0);
        let limit = room.desk.max_rate_count(trader);
        let text = success(&mut self.pen.json, head, |json| {
            json.object(|json| {
                wanted.result(json, None, true);
                if is_executions {
                    wanted.executions_members(json, limit);
                }
            });
        });
        room.out.push(ServerOutput::WsSend { peer, text });
        if is_executions {
            self.start_executions(room, peer, trader, wanted);
        } else {
            self.start_balances(room, peer, trader, wanted);
        }
        Ok(())
    }

    /// Open orders and fills come in frames of their own, orders first; without either one empty frame comes.
    fn start_executions(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        trader: TraderIx,
        wanted: &Wanted<'_>,
    ) {
        let desk = &*room.desk;
        let json = &mut self.pen.json;
        let mut sequence = 0;
        let mut send = |text| room.out.push(ServerOutput::WsSend { peer, text });
        let orders: Vec<OrderFacts<'_>> = if wanted.has_snapshot {
            desk.open_orders(trader).filter_map(|order| desk.order(order)).collect()
        } else {
            Vec::new()
        };
        let fills: Vec<_> = if wanted.executions.has_trades {
            desk.last_executions(trader, executions::SNAPSHOT_TRADES).collect()
        } else {
            Vec::new()
        };
        let has_any = wanted.has_snapshot || wanted.executions.has_trades;
        if !orders.is_empty() || (has_any && fills.is_empty()) {
            sequence += 1;
            send(publish::numbered(json, "executions", "snapshot", sequence, |json| {
                for order in &orders {
                    json.object(|json| executions::snapshot_order(json, order));
                }
            }));
        }
        if !fills.is_empty() {
            sequence += 1;
            send(publish::numbered(json, "executions", "snapshot", sequence, |json| {
                // Newest first, as captured.
                for fill in fills.iter().rev() {
                    json.object(|json| executions::snapshot_trade(json, desk, fill));
                }
            }));
        }
        let sub = ExecutionsSub {
            sequence,
            is_every_step: wanted.executions.order_status.unwrap_or(true),
            has_rate: wanted.executions.ratecounter.unwrap_or(false),
        };
        self.executions.insert((trader, peer), sub);
    }

    fn start_balances(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        trader: TraderIx,
        wanted: &Wanted<'_>,
    ) {
        let mut sequence = 0;
        if wanted.has_snapshot {
            sequence = 1;
            let rows = room.desk.balances(trader);
            let json = &mut self.pen.json;
            let text = publish::numbered(json, "balances", "snapshot", sequence, |json| {
                rows.iter().for_each(|row| balances::snapshot_row(json, row));
            });
            room.out.push(ServerOutput::WsSend { peer, text });
        }
        self.balances.insert((trader, peer), sequence);
    }
}
