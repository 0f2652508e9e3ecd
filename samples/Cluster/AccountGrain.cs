namespace Cluster;

/// <summary>Orleans runs one call of an account at a time.</summary>
internal sealed class AccountGrain([PersistentState("account")] IPersistentState<Account> account)
    : Grain, IAccountGrain
{
    public Task<long> GetBalanceAsync() => Task.FromResult(account.State.Balance);

    public async Task<long> DepositAsync(long amount, string key)
    {
        if (account.State.Has(key))
        {
            return account.State.Balance;
        }

        var before = account.State;
        account.State = before.Deposit(amount, key);
        try
        {
            await account.WriteStateAsync();
        }
        catch
        {
            // Whether storage has the deposit is not known: the next activation reads it. Calls that still come to this
            // one cannot overwrite it, because storage compares the ETag.
            account.State = before;
            DeactivateOnIdle();
            throw;
        }

        return account.State.Balance;
    }
}
