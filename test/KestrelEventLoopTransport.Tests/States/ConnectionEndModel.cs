using KestrelEventLoopTransport.Connections;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A connection that ends, as an <see cref="Explorer{TState}"/> sees it: the two atomic words under test, what is known
/// of the halves, and what each thread has still to do.
/// </summary>
internal readonly record struct ConnectionEndModel(
    ConnectionEndState End, int Descriptor, ConnectionEndFacts Facts, ConnectionEndThreads Threads, string? Broken)
{
    internal bool Has(ConnectionEndFacts facts) => (Facts & facts) != 0;

    internal ConnectionEndModel With(ConnectionEndFacts facts) => this with { Facts = Facts | facts };

    internal ConnectionEndModel Without(ConnectionEndFacts facts) => this with { Facts = Facts & ~facts };

    /// <summary>Sets what happens once.</summary>
    internal ConnectionEndModel Once(ConnectionEndFacts fact)
        => Has(fact) ? Break($"{fact} twice") : With(fact);

    internal ConnectionEndModel Require(bool condition, string rule) => condition ? this : Break(rule);

    /// <summary>A system call on the descriptor.</summary>
    internal ConnectionEndModel Call()
        => Require(!Has(ConnectionEndFacts.DescriptorClosed), "A system call met a closed descriptor");

    private ConnectionEndModel Break(string rule) => this with { Broken = Broken ?? rule };
}
