;; fld [rbx]; fmul [rbx+8]; faddp; fstp [rbx+16]: 685 instructions
local.get 24
local.get 0
i32.load offset=2388
i32.const 128
i32.and
i32.eqz
i32.and
i32.eqz
if
  local.get 0
  local.get 19
  i32.const 131074
  call $note_position
  call $fpu_check
  if
    br 2
  end
end
local.get 4
local.set 25
local.get 25
i64.const 0
i64.add
local.set 28
local.get 18
local.get 28
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
i32.add
local.tee 29
i64.load
local.get 28
i64.const 15
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 29
  i32.load offset=24
  local.get 25
  i32.wrap_i64
  i32.add
  local.set 27
else
  i32.const 0
  local.set 27
end
local.get 27
if
  local.get 27
  local.set 26
else
  local.get 0
  local.get 25
  i32.const 8
  i32.const 131074
  local.get 19
  call $slow_read
  local.tee 26
  i32.eqz
  br_if 1
end
local.get 26
i64.load
local.set 30
local.get 4
local.set 31
local.get 0
i32.load offset=2388
local.set 32
local.get 0
i32.load offset=2392
local.tee 33
i32.const 8
i32.shl
local.get 33
i32.or
local.get 32
i32.const 11
i32.shr_u
i32.const 7
i32.and
i32.shr_u
local.set 33
local.get 0
i32.load offset=2384
i32.const 3903
i32.and
i32.const 831
i32.eq
local.set 34
local.get 32
i32.const 7
i32.shr_u
i32.const 112
i32.add
i32.const 112
i32.and
local.get 0
i32.add
local.set 35
block
  block
    local.get 34
    i32.eqz
    br_if 0
    local.get 33
    i32.const 128
    i32.and
    i32.const 0
    i32.ne
    br_if 0
    local.get 30
    i64.const 52
    i64.shr_u
    i32.wrap_i64
    i32.const 2047
    i32.and
    local.tee 38
    i32.const 1
    i32.sub
    i32.const 2046
    i32.lt_u
    if
      local.get 30
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.get 38
      i32.const 15360
      i32.add
      i32.or
      local.set 36
      local.get 30
      i64.const 11
      i64.shl
      i64.const -9223372036854775808
      i64.or
      local.set 37
    else
      local.get 30
      i64.const 1
      i64.shl
      i64.eqz
      i32.eqz
      br_if 1
      local.get 30
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.set 36
      i64.const 0
      local.set 37
    end
    local.get 35
    local.get 37
    i64.store offset=2000
    local.get 35
    local.get 36
    i32.store16 offset=2008
    local.get 32
    i32.const -513
    i32.and
    local.set 32
    br 1
  end
  local.get 0
  local.get 32
  i32.store offset=2388
  local.get 0
  local.get 19
  i32.const 131074
  call $note_position
  local.get 30
  local.get 31
  call $x87_load_f64
  local.get 32
  i32.const 8421383
  call $x87_resume
  local.tee 32
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 31
local.set 39
local.get 4
i64.const 8
i64.add
local.set 40
local.get 27
if
  local.get 27
  i32.const 8
  i32.add
  local.set 41
else
  local.get 32
  local.get 33
  i32.const 8421383
  call $x87_commit
  local.get 17
  i64.const 0
  i64.add
  local.set 42
  local.get 0
  local.get 42
  i64.store offset=2400
  local.get 0
  local.get 39
  i64.store offset=2408
  local.get 0
  local.get 40
  i32.const 8
  i32.const 327939
  local.get 19
  call $slow_read
  local.tee 41
  i32.eqz
  br_if 1
end
local.get 41
i64.load
local.set 43
local.get 4
i64.const 8
i64.add
local.set 44
block
  block
    local.get 34
    i32.eqz
    br_if 0
    local.get 43
    i64.const 52
    i64.shr_u
    i32.wrap_i64
    i32.const 2047
    i32.and
    local.tee 47
    i32.const 1
    i32.sub
    i32.const 2046
    i32.lt_u
    if
      local.get 43
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.get 47
      i32.const 15360
      i32.add
      i32.or
      local.set 45
      local.get 43
      i64.const 11
      i64.shl
      i64.const -9223372036854775808
      i64.or
      local.set 46
    else
      local.get 43
      i64.const 1
      i64.shl
      i64.eqz
      i32.eqz
      br_if 1
      local.get 43
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.set 45
      i64.const 0
      local.set 46
    end
    local.get 35
    i32.const 2000
    i32.add
    local.get 35
    i32.load16_u offset=2008
    local.get 35
    i64.load offset=2000
    local.get 45
    local.get 46
    call $x87_fast_mul
    local.set 48
    local.get 48
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 32
    i32.const -513
    i32.and
    local.get 48
    i32.or
    local.set 32
    br 1
  end
  local.get 32
  local.get 33
  i32.const 8421383
  call $x87_commit
  local.get 0
  local.get 19
  i32.const 327939
  call $note_position
  i32.const 1
  local.get 43
  local.get 44
  call $x87_arith_f64
  local.get 32
  i32.const 8421383
  call $x87_resume
  local.tee 32
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 44
local.set 39
local.get 32
i32.const 7
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
local.set 49
block
  block
    local.get 34
    i32.eqz
    br_if 0
    local.get 33
    i32.const 1
    i32.and
    i32.const 1
    i32.ne
    br_if 0
    local.get 49
    i32.const 2000
    i32.add
    local.get 49
    i32.load16_u offset=2008
    local.get 49
    i64.load offset=2000
    local.get 35
    i32.load16_u offset=2008
    local.get 35
    i64.load offset=2000
    call $x87_fast_add
    local.set 50
    local.get 50
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 32
    i32.const -513
    i32.and
    local.get 50
    i32.or
    local.set 32
    br 1
  end
  local.get 0
  local.get 39
  i64.store offset=2408
  local.get 32
  local.get 33
  i32.const 8421383
  call $x87_commit
  local.get 0
  local.get 19
  i32.const 459266
  call $note_position
  i32.const 0
  i32.const 1
  i32.const 0
  i32.const 1
  call $x87_arith
  local.get 32
  i32.const 98560
  call $x87_resume
  local.tee 32
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 32
local.get 33
i32.const 98560
call $x87_commit
local.get 17
i64.const 5
i64.add
local.set 51
local.get 0
local.get 51
i64.store offset=2400
local.get 0
local.get 39
i64.store offset=2408
local.get 0
i32.load offset=2388
i32.const 128
i32.and
i32.eqz
i32.eqz
if
  local.get 0
  local.get 19
  i32.const 656131
  call $note_position
  call $fpu_check
  if
    br 2
  end
end
local.get 4
i64.const 16
i64.add
local.set 52
local.get 4
i64.const 16
i64.add
local.set 53
local.get 0
i32.load offset=2388
local.set 32
local.get 0
i32.load offset=2392
local.tee 33
i32.const 8
i32.shl
local.get 33
i32.or
local.get 32
i32.const 11
i32.shr_u
i32.const 7
i32.and
i32.shr_u
local.set 33
local.get 0
i32.load offset=2384
i32.const 3903
i32.and
i32.const 831
i32.eq
local.set 34
local.get 32
i32.const 7
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
local.set 49
block
  block
    local.get 34
    i32.eqz
    br_if 0
    local.get 33
    i32.const 1
    i32.and
    i32.const 1
    i32.ne
    br_if 0
    local.get 49
    i32.load16_u offset=2008
    local.get 49
    i64.load offset=2000
    local.set 56
    local.set 55
    local.get 55
    i32.const 32767
    i32.and
    i32.const 15360
    i32.sub
    local.tee 58
    i32.const 1
    i32.sub
    i32.const 2045
    i32.lt_u
    local.get 56
    i64.const 63
    i64.shr_u
    i32.wrap_i64
    i32.and
    if
      local.get 56
      i64.const 2047
      i64.and
      local.get 56
      i64.const 11
      i64.shr_u
      i64.const 1
      i64.and
      i64.add
      i64.const 1023
      i64.add
      i64.const 11
      i64.shr_u
      local.set 59
      local.get 56
      i64.const 2047
      i64.and
      i64.eqz
      i32.eqz
      i32.const 5
      i32.shl
      local.get 59
      i32.wrap_i64
      i32.const 9
      i32.shl
      i32.or
      local.set 54
      local.get 55
      i32.const 32768
      i32.and
      i64.extend_i32_u
      i64.const 48
      i64.shl
      local.get 58
      i64.extend_i32_u
      i64.const 52
      i64.shl
      i64.or
      local.get 56
      i64.const 1
      i64.shl
      i64.const 12
      i64.shr_u
      i64.or
      local.get 59
      i64.add
      local.set 57
    else
      local.get 55
      i32.const 32767
      i32.and
      i64.extend_i32_u
      local.get 56
      i64.or
      i64.eqz
      i32.eqz
      br_if 1
      local.get 55
      i32.const 32768
      i32.and
      i64.extend_i32_u
      i64.const 48
      i64.shl
      local.set 57
      i32.const 0
      local.set 54
    end
    local.get 57
    local.set 60
    local.get 18
    local.get 52
    i32.wrap_i64
    i32.const 7
    i32.shr_u
    i32.const 131040
    i32.and
    i32.add
    local.tee 61
    i64.load offset=8
    local.get 52
    i64.const 7
    i64.add
    i64.const -4096
    i64.and
    i64.eq
    if
      local.get 61
      i32.load offset=24
      local.get 52
      i32.wrap_i64
      i32.add
      local.get 60
      i64.store
    else
      local.get 0
      local.get 60
      i64.store offset=2528
      local.get 0
      local.get 32
      i32.store offset=2388
      local.get 0
      local.get 52
      i32.const 8
      i32.const 656131
      local.get 19
      call $slow_write
      i32.eqz
      br_if 3
      i32.const 0
      local.set 20
    end
    local.get 54
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 32
    i32.const -513
    i32.and
    local.get 54
    i32.or
    local.set 32
    br 1
  end
  local.get 0
  local.get 32
  i32.store offset=2388
  local.get 0
  local.get 32
  i32.store offset=2388
  local.get 0
  local.get 19
  i32.const 656131
  call $note_position
  local.get 52
  local.get 53
  i32.const 1
  call $x87_store_f64
  if
    br 2
  end
  i32.const 0
  local.set 20
  local.get 32
  i32.const 257
  call $x87_resume
  local.tee 32
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 53
local.set 39
local.get 32
local.get 33
i32.const 257
call $x87_commit
local.get 17
i64.const 7
i64.add
local.set 62
local.get 0
local.get 62
i64.store offset=2400
local.get 0
local.get 39
i64.store offset=2408
