namespace Cluster;

/// <summary>
/// Tells HAProxy whether this process takes requests. It does once the silo is active, because Kestrel listens last.
/// HAProxy has to know of a stop before it begins: a request that comes to a stopped server fails.
/// </summary>
internal sealed class Readiness : IHostedLifecycleService
{
    // HAProxy checks five times a second. Without HAProxy there is no check to wait for.
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(10);

    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stops;

    public IResult Check(HttpContext context)
    {
        if (!_stops)
        {
            return Results.Text("ready\n");
        }

        context.Response.OnCompleted(() =>
        {
            _told.TrySetResult();
            return Task.CompletedTask;
        });
        return Results.Text("stopping\n", statusCode: StatusCodes.Status503ServiceUnavailable);
    }

    /// <summary>Runs before any service stops: before Kestrel, and before the silo.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        _stops = true;
        await Task.WhenAny(_told.Task, Task.Delay(_longest, cancellationToken));
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
