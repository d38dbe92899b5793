;; add rax,rbx; sub rax,rcx: 26 instructions
local.get 4
local.set 23
local.get 1
local.set 24
local.get 24
local.get 23
i64.add
local.set 25
local.get 25
local.set 1
local.get 2
local.set 26
local.get 1
local.set 27
local.get 27
local.get 26
i64.sub
local.set 28
i32.const 11
local.set 20
local.get 27
local.set 21
local.get 26
local.set 22
local.get 28
local.set 1
