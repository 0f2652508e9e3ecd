using Xunit.v3;

namespace KestrelEventLoopTransport.Testing;

/// <summary>A test, or all tests of a class, that <c>build/test.sh --fast</c> leaves out.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class SlowAttribute : Attribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Speed", "slow")];
}
