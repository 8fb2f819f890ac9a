-- Ends the script unless `owner` (worker:epoch) holds the account.
local function fence(owners_key, account, owner)
  if redis.call('HGET', owners_key, account) ~= owner then
    error({err = 'FENCED another worker owns the account'})
  end
end
