//! The script worker as the tests start it.

fn main() -> std::process::ExitCode {
    quarry_script::worker_main()
}
