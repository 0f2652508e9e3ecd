using Orleans;

namespace KestrelEventLoopTransport.Orleans.Tests.Grains;

/// <summary>Calls that cross the network in the ways that the tests need.</summary>
public interface IEchoGrain : IGrainWithIntegerKey
{
    /// <summary>Answers with what it got.</summary>
    Task<byte[]> EchoAsync(byte[] bytes);

    /// <summary>Answers with what another grain answers.</summary>
    Task<byte[]> EchoOfAsync(long other, byte[] bytes);

    /// <summary>Waits until it is canceled.</summary>
    Task WaitAsync(CancellationToken cancellationToken);

    /// <summary>How many calls of <see cref="WaitAsync"/> were canceled.</summary>
    Task<int> GetCanceledAsync();

    /// <summary>The port of the grain's silo.</summary>
    Task<int> GetPortAsync();
}
