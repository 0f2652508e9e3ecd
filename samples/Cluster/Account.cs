namespace Cluster;

/// <summary>What storage has of an account. It does not change: a deposit makes another one.</summary>
[GenerateSerializer]
internal sealed class Account
{
    // A call without an answer is repeated seconds later (ResponseTimeout). If the account had more deposits than this
    // meanwhile, the deposit would count twice. A real bank keeps its keys in a ledger.
    private const int RememberedKeys = 500;

    [Id(0)]
    public long Balance { get; init; }

    /// <summary>The keys of the last deposits, the oldest one first.</summary>
    [Id(1)]
    public string[] Keys { get; init; } = [];

    public bool Has(string key) => Keys.Contains(key);

    public Account Deposit(long amount, string key) => new()
    {
        Balance = checked(Balance + amount),
        Keys = [.. Keys.TakeLast(RememberedKeys - 1), key],
    };
}
