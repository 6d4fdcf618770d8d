//! `remora bench kraken` measures on real processes and real sockets. Nothing here depends on how fast they are.

use std::process::Command;

#[test]
fn everything_is_measured_beside_its_floor_and_every_target_has_a_verdict() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remora"));
    let output = command.args(["bench", "kraken", "--seconds", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaints}");
    for what in [
        "level updates parsed, applied, verified",
        "orders matched",
        "executions processed",
        "REST round trips (Time), 100 clients",
        "WebSocket order round trips (add, cancel), 100 clients",
        "resident memory, 1000 live books",
    ] {
        let line = said.lines().find(|line| line.contains(what));
        assert!(line.is_some_and(|line| line.contains("floor ")), "{what}: {said}");
    }
    // What was missed is listed again at the end.
    let measured = said.lines().take_while(|line| !line.starts_with("targets: "));
    let verdicts = measured.filter(|line| line.starts_with("  target ")).count();
    let last = said.lines().find(|line| line.starts_with("targets: ")).unwrap();
    let counts = last.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<usize>().ok());
    assert_eq!((verdicts, counts.sum::<usize>()), (3, 3), "{said}");
}
