namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>What a test sees of the calls of <see cref="NumbersService"/>.</summary>
internal sealed class NumbersCalls
{
    /// <summary>Completes when a call has noticed that its client canceled it.</summary>
    public TaskCompletionSource Canceled { get; } = Signal.New();
}
