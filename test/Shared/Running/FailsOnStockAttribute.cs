using Xunit.v3;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// A test, or all tests of a class, that the stock transport does not pass, and why. Every other test with a contract
/// number runs on it too: see <see cref="StockTransport"/>. A difference that a user can see is also in
/// the README, "Differences to the sockets transport".
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class FailsOnStockAttribute(string reason) : Attribute, ITraitAttribute
{
    public string Reason => reason;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Stock", "fails")];
}
