;; mov rax,[rbx+16]: 49 instructions
local.get 4
i64.const 16
i64.add
local.set 24
local.get 18
local.get 24
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 32736
i32.and
i32.add
local.tee 26
i64.load
local.get 24
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 26
  i32.load offset=24
  local.get 24
  i32.wrap_i64
  i32.add
  local.set 25
else
  local.get 0
  local.get 19
  i32.const 1
  i32.add
  i32.const 262144
  i32.const 4
  call $note_position
  local.get 24
  i32.const 8
  call $mem_read_slow
  local.tee 25
  i32.eqz
  if
    br 2
  end
end
local.get 25
i64.load
local.set 27
local.get 27
local.set 1
