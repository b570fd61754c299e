//! The script that looks whether anybody uses the machine, run for real on a `/proc` of the test's own.

use cloudapp_user_data::InUse;
use serde_json::json;

use crate::support::{DOCUMENT, INSTANCE_ID, Machine, SIGNATURE, spec};

const CA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNh cloudapp-ca";
const TCP: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/// A machine whose clock and traffic the test moves.
struct Idle {
    machine: Machine,
    uptime: u64,
    moved: u64,
}

impl Idle {
    /// Fresh from the start; the receiver answers with `answers` in turn, then with 204.
    async fn new(answers: &[u16]) -> Self {
        Self::counting(InUse::default(), answers).await
    }

    /// As [`Self::new`], with other thresholds.
    async fn counting(in_use: InUse, answers: &[u16]) -> Self {
        let configuration = spec(json!({ "idle_stop_minutes": 60 }));
        let machine = Machine::counting(in_use, &configuration, CA, answers).await;
        let idle = Self { machine, uptime: 300, moved: 50_000_000 };
        idle.load("0.02");
        idle.connections("");
        idle
    }

    fn load(&self, average: &str) {
        self.machine.write("proc/loadavg", &format!("3.00 {average} 0.00 1/123 4567\n"));
    }

    fn connections(&self, lines: &str) {
        // Somebody else's connection, and sshd's listening socket: neither is a session.
        let always = "   0: 0100007F:1F90 0100007F:C350 01 0\n   1: 00000000:0016 00000000:0000 0A 0\n";
        self.machine.write("proc/net/tcp", &format!("{TCP}{always}{lines}"));
    }

    /// A look after `seconds`, in which `bytes` came over the network.
    async fn look(&mut self, seconds: u64, bytes: u64) -> bool {
        self.uptime += seconds;
        self.moved += bytes;
        self.machine.write("proc/uptime", &format!("{}.42 1000.00\n", self.uptime));
        let (received, sent) = (self.moved / 2, self.moved - self.moved / 2);
        let interface = |name: &str, received: u64, sent: u64| {
            format!("{name}: {received} 10 0 0 0 0 0 0 {sent} 10 0 0 0 0 0 0\n")
        };
        let own = interface("  eth0", received, sent);
        // The machine's talk with itself is as much as one likes.
        let local = interface("    lo", self.uptime * 10_000_000, self.uptime * 10_000_000);
        self.machine.write("proc/net/dev", &format!("Inter-|   Receive\n face |bytes\n{local}{own}"));
        self.machine.look_idle().await
    }

    /// What was told so far: uptime, and seconds idle.
    fn told(&self) -> Vec<(u64, u64)> {
        let reports = self.machine.idle_reports();
        reports.iter().map(|report| (report.uptime_seconds, report.idle_seconds)).collect()
    }
}

#[tokio::test]
async fn it_is_only_there_where_idle_machines_are_stopped() {
    let without = Machine::new(&spec(json!({})), CA, &[]).await;
    assert!(!without.root().join("usr/lib/cloudapp/idle").exists());
    let with = Idle::new(&[]).await.machine;
    assert!(with.read("etc/systemd/system/cloudapp-idle.timer").contains("OnUnitActiveSec=1min"));
}

#[tokio::test]
async fn a_machine_that_nobody_uses_says_so_every_five_minutes_and_proves_who_it_is() {
    let mut idle = Idle::new(&[]).await;
    for _ in 0..12 {
        assert!(idle.look(60, 2_000).await);
    }
    // The first look begins to measure; the machine was up for 360 seconds then.
    assert_eq!(idle.told(), [(420, 60), (720, 360), (1020, 660)]);
    let report = idle.machine.idle_reports().remove(0);
    assert_eq!(report.instance_id.as_str(), INSTANCE_ID);
    assert_eq!(report.boot_id.to_string(), "0b6f7e5c-3a1d-4c8e-9d2f-5a4b3c2d1e0f");
    assert_eq!(report.identity_document, DOCUMENT);
    assert_eq!(report.identity_signature, SIGNATURE);
}

#[tokio::test]
async fn a_connection_over_ssh_work_and_traffic_are_use_and_are_told_at_once_but_once() {
    for cause in ["ssh", "load", "traffic"] {
        let mut idle = Idle::new(&[]).await;
        idle.look(60, 0).await;
        idle.look(60, 0).await;
        assert_eq!(idle.told(), [(420, 60)], "{cause}");
        match cause {
            "ssh" => idle.connections("   2: 0A00000A:0016 0B00000A:C351 01 0\n"),
            "load" => idle.load("0.30"),
            _ => {}
        }
        let bytes = if cause == "traffic" { 60 * 8193 } else { 0 };
        idle.look(60, bytes).await;
        assert_eq!(idle.told(), [(420, 60), (480, 0)], "{cause}");
        idle.look(60, bytes).await;
        assert_eq!(idle.told().len(), 2, "{cause}: once is enough");
        // It begins anew when that ends.
        idle.connections("");
        idle.load("0.02");
        for _ in 0..5 {
            idle.look(60, 0).await;
        }
        assert_eq!(idle.told()[2..], [(780, 180)], "{cause}");
    }
}

#[tokio::test]
async fn what_counts_as_use_is_what_the_operator_says() {
    let mut idle = Idle::counting(InUse { load_percent: 150, bytes_per_second: 100_000 }, &[]).await;
    idle.load("1.49");
    idle.look(60, 0).await;
    idle.look(60, 60 * 100_000).await;
    assert_eq!(idle.told(), [(420, 60)], "below both");
    idle.load("1.50");
    idle.look(60, 0).await;
    assert_eq!(idle.told()[1..], [(480, 0)]);
    idle.load("0.00");
    for _ in 0..5 {
        idle.look(60, 0).await;
    }
    assert_eq!(idle.told()[2..], [(780, 240)]);
    idle.look(60, 60 * 100_001).await;
    assert_eq!(idle.told()[3..], [(840, 0)]);
}

#[tokio::test]
async fn a_report_that_was_not_taken_is_made_again_and_a_refused_one_is_not() {
    let mut idle = Idle::new(&[503, 409]).await;
    idle.look(60, 0).await;
    assert!(!idle.look(60, 0).await, "systemd sees that it failed");
    assert!(idle.look(60, 0).await);
    assert_eq!(idle.told(), [(420, 60), (480, 120)]);
    idle.look(60, 0).await;
    assert_eq!(idle.told().len(), 2, "not before five minutes are over");
}
