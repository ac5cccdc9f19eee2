;; A check whose run has its table grow until it gets no more, which no language does by itself: a core module, which the
;; crate `hostile` makes a component of the contract's world `check`.
(module
  (memory (export "memory") 1)
  (table $bomb 1 funcref)
  ;; An answer of zeros: four empty strings, an accepted config that needs nothing.
  (data (i32.const 1024) "\00")
  (func (export "vrrp-host:plugin/checker@0.1.0#describe") (result i32)
    i32.const 1024)
  (func (export "vrrp-host:plugin/checker@0.1.0#configure") (param i32 i32) (result i32)
    i32.const 1024)
  (func (export "vrrp-host:plugin/checker@0.1.0#run") (param i32 i32 i64 i32 i32 i32 i32 i32) (result i32)
    (loop $again
      (br_if $again (i32.ne (i32.const -1) (table.grow $bomb (ref.null func) (i32.const 1000)))))
    unreachable)
  ;; What the host hands over is not read: all of it goes to the same place.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    i32.const 4096))
