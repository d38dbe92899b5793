;; cmp eax,ebx; jl: 30 instructions
local.get 1
i32.wrap_i64
local.set 23
local.get 4
i32.wrap_i64
local.set 24
local.get 23
local.get 24
i32.sub
local.set 25
i32.const 10
local.set 20
local.get 23
i64.extend_i32_u
local.set 26
local.get 26
local.set 21
local.get 24
i64.extend_i32_u
local.set 27
local.get 27
local.set 22
local.get 23
local.get 24
i32.lt_s
local.set 28
local.get 28
if
  br 1
end
