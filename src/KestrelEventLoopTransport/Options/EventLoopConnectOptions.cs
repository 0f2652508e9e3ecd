using System.Net;
using KestrelEventLoopTransport.Options.Validation;

namespace KestrelEventLoopTransport;

/// <summary>
/// What one call of <see cref="EventLoopConnectionFactory.ConnectAsync(EndPoint, EventLoopConnectOptions,
/// CancellationToken)"/> does differently from the others of its client. What is <see langword="null"/> is as
/// <see cref="EventLoopClientOptions"/> say. It does not change once it is made, so that calls can share it.
/// </summary>
public sealed class EventLoopConnectOptions
{
    /// <summary>Instead of <see cref="EventLoopClientOptions.ConnectTimeout"/>. It has the same range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? ConnectTimeout
    {
        get;
        init => field = Check(
            value, nameof(ConnectTimeout), EventLoopClientOptionsValidator.CheckConnectTimeout);
    }

    /// <summary>
    /// Instead of <see cref="EventLoopClientOptions.FallbackDelay"/>. It has the same range; a negative value tries one
    /// address at a time.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public TimeSpan? FallbackDelay
    {
        get;
        init => field = Check(value, nameof(FallbackDelay), EventLoopClientOptionsValidator.CheckFallbackDelay);
    }

    /// <summary>Instead of <see cref="EventLoopClientOptions.LocalEndPoint"/>.</summary>
    public IPEndPoint? LocalEndPoint { get; init; }

    /// <summary>
    /// The loop that serves the connection: the <see cref="IEventLoopFeature"/> of another connection. A proxy that
    /// passes that of the incoming connection has both on one thread, wherever its code runs. A loop that has ended, or
    /// that is of other services, is ignored. Comes before
    /// <see cref="EventLoopClientOptions.PrefersCallingLoop"/>.
    /// </summary>
    public IEventLoopFeature? Loop { get; init; }

    /// <summary>
    /// Called after <see cref="EventLoopClientOptions.ConfigureClientSocket"/>, under the same rules: once per address
    /// that is tried, before <c>bind(2)</c> and <c>connect(2)</c>. For socket options of this call.
    /// </summary>
    public Action<ClientSocketContext>? ConfigureClientSocket { get; init; }

    private static TimeSpan? Check(TimeSpan? value, string name, Func<TimeSpan, string?> check)
        => value is { } given && check(given) is { } problem
            ? throw new ArgumentOutOfRangeException(name, given, $"{name} is {problem}.")
            : value;
}
