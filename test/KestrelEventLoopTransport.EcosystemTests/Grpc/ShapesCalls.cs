namespace KestrelEventLoopTransport.EcosystemTests.Grpc;

/// <summary>What the calls of <see cref="ShapesService"/> have in common with the test.</summary>
internal sealed class ShapesCalls
{
    private int _met;

    /// <summary>Is set when the server knows that a call was cancelled.</summary>
    public TaskCompletionSource Cancelled { get; } = Signal.New();

    /// <summary>The encoding of the last request's messages.</summary>
    public string? RequestEncoding { get; set; }

    private TaskCompletionSource AllMet { get; } = Signal.New();

    /// <summary>Waits until so many calls wait here.</summary>
    public Task MeetAsync(int count)
    {
        if (Interlocked.Increment(ref _met) == count)
        {
            AllMet.SetResult();
        }

        return AllMet.Task;
    }
}
