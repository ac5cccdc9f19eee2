//! A check whose functions have the names of the contract and types of their own.

mod own {
    wit_bindgen::generate!({
        inline: "
            package vrrp-host:plugin@0.1.0;
            interface checker {
                describe: func() -> string;
                configure: func(config: string) -> result<u32, string>;
                run: func(number: u64) -> result<bool, string>;
            }
            world mistyped { export checker; }
            ",
    });

    use exports::vrrp_host::plugin::checker::Guest;

    struct Mistyped;

    impl Guest for Mistyped {
        fn describe() -> String {
            "mistyped".to_owned()
        }

        fn configure(_: String) -> Result<u32, String> {
            Ok(0)
        }

        fn run(_: u64) -> Result<bool, String> {
            Ok(true)
        }
    }

    export!(Mistyped);
}
