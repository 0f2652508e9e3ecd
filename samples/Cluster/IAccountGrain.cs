namespace Cluster;

/// <summary>An account; its name is the grain's key.</summary>
internal interface IAccountGrain : IGrainWithStringKey
{
    Task<long> GetBalanceAsync();

    /// <summary>
    /// Deposits an amount and returns the balance. The deposit is in storage by then. A deposit that is sent again with
    /// the same key counts once.
    /// </summary>
    Task<long> DepositAsync(long amount, string key);
}
