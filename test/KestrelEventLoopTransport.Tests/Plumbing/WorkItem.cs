namespace KestrelEventLoopTransport.Tests;

/// <summary>Work that says when it has run.</summary>
internal sealed class WorkItem(Action work) : IThreadPoolWorkItem
{
    private readonly TaskCompletionSource _ran = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Ran => _ran.Task;

    public void Execute()
    {
        work();
        _ran.TrySetResult();
    }
}
