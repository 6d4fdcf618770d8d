//! Text that the venue would never send: the session survives all of it and tells no secret.

use super::world::{Options, World};
use remora_domain::DurationNs;
use remora_machine::SplitMix64;
use remora_venue_api::VenueInput;

/// Cuts a frame that names an order of ours: nothing of it may be believed.
fn cut(random: &mut SplitMix64, id: &str, order_id: &str) -> String {
    let at = usize::try_from(random.next_below(2)).unwrap();
    let whole = FRAMES[at].replace("\"r-1\"", &format!("\"{id}\""));
    let whole =
        whole.replace("OAAAAA-BBBBB-CCCCCC", order_id).replace("\"O\"", &format!("\"{order_id}\""));
    let most = u64::try_from(whole.len() - 1).unwrap();
    whole[..usize::try_from(random.next_below(most)).unwrap()].to_owned()
}

/// Damages a text by chance: cut, doubled, a byte replaced.
fn damaged(random: &mut SplitMix64, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=random.next_below(3) {
        if letters.is_empty() {
            break;
        }
        let at = usize::try_from(random.next_below(u64::try_from(letters.len()).unwrap())).unwrap();
        match random.next_below(4) {
            0 => letters.truncate(at),
            1 => letters[at] = char::from(u8::try_from(32 + random.next_below(95)).unwrap()),
            2 => letters.insert(at, ['"', '{', '}', '[', '9', '-', 'e'][at % 7]),
            _ => drop(letters.remove(at)),
        }
    }
    letters.into_iter().collect()
}

const FRAMES: [&str; 6] = [
    r#"{"channel":"executions","type":"update","data":[{"order_id":"OAAAAA-BBBBB-CCCCCC","cl_ord_id":"r-1","exec_type":"trade","order_status":"partially_filled","exec_id":"TAAAAA-BBBBB-CCCCCC","trade_id":1,"symbol":"BTC/USD","side":"buy","last_qty":0.001,"last_price":60000.0,"cost":60.0,"liquidity_ind":"m","cum_qty":0.001,"fees":[{"asset":"USD","qty":0.1}],"timestamp":"2026-02-16T09:36:09.000001Z"}],"sequence":9}"#,
    r#"{"channel":"executions","type":"update","data":[{"order_id":"O","exec_type":"canceled","order_status":"canceled","timestamp":"2026-02-16T09:36:09Z"}],"sequence":18446744073709551615}"#,
    r#"{"channel":"balances","type":"update","data":[{"asset":"BTC","balance":1}],"sequence":7}"#,
    r#"{"method":"add_order","req_id":3,"success":true,"result":{"order_id":"O"},"time_out":"2026-02-16T09:36:09Z"}"#,
    r#"{"method":"subscribe","req_id":1,"success":false,"error":"EGeneral:Internal error"}"#,
    r#"{"Error":"Exceeded msg rate"}"#,
];

#[test]
fn any_text_on_the_socket_is_survived_and_the_books_stay_right() {
    for seed in 1..=3 {
        let mut world = World::new(Options::of_seed(seed));
        world.start();
        world.quiet(DurationNs::from_s(5));
        let mut random = SplitMix64::new(seed);
        for _ in 0..60 {
            world.trade(DurationNs::from_ms(500), 10);
            let at = usize::try_from(random.next_below(6)).unwrap();
            // Only damaged ones: a whole one that lies about an order would be believed, and has to be.
            let text = damaged(&mut random, FRAMES[at]).replace("r-1", "x-1");
            let live = world.router.live().find_map(|(id, order)| {
                Some((id.to_string(), order.order_id.as_ref()?.to_string()))
            });
            let named = live.map(|(id, order_id)| cut(&mut random, &id, &order_id));
            for text in [Some(text), named].into_iter().flatten() {
                let conn = world.session.as_ref().unwrap().link.conn();
                let receive_time = world.now;
                let text = text.into();
                world.session_input(VenueInput::Frame { conn, receive_time, text });
            }
        }
        world.wind_down();
    }
}
