;; rep movsq: 35 instructions
local.get 0
local.get 18
i32.const 196611
call $note_position
local.get 0
local.get 20
i32.store offset=184
local.get 0
local.get 21
i64.store offset=168
local.get 0
local.get 22
i64.store offset=176
i32.const 8
i32.const 64
i32.const 1
i32.const 3
call $string_movs
if
  br 1
end
local.get 0
i32.load offset=184
local.set 20
local.get 0
i64.load offset=168
local.set 21
local.get 0
i64.load offset=176
local.set 22
local.get 0
i32.load offset=200
local.set 18
i32.const 0
local.set 19
