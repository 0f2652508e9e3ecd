using System.Net;
using KestrelEventLoopTransport.Options.Configuration;

namespace KestrelEventLoopTransport;

/// <summary>
/// Options of the event-loop transport, and the defaults of its endpoints.
/// </summary>
/// <remarks>
/// The section <c>Kestrel:EventLoopTransport</c> of the configuration is applied first, then code. Options of a single
/// endpoint are set with <see cref="ConfigureEndpoint(EndPoint, Action{EndpointOptions})"/> or in
/// <c>Kestrel:EventLoopTransport:Endpoints:{name}</c>, where the name is that of an endpoint of
/// <c>Kestrel:Endpoints</c>, or the section has a <c>Url</c> of its own.
///
/// They are read when the server starts. If the configuration is reloaded, an endpoint that Kestrel binds from then on
/// (because its URL has changed, for example) gets the options that its name has in the new configuration; what is
/// bound already keeps its options, and those of loops never change. If the new options are not valid, the ones that
/// were valid last go on to be used, by name, and an error is logged; an endpoint with a section that is new is not
/// bound then.
///
/// Values out of range stop the application at start with an
/// <see cref="Microsoft.Extensions.Options.OptionsValidationException"/> that names the option, the value and what
/// is allowed.
/// </remarks>
public sealed class EventLoopTransportOptions : EndpointOptions
{
    private readonly List<EndpointOverride> _endPoints = [];
    private int? _maxStandbyThreads;

    /// <summary>
    /// Number of event loops, each with one thread and one poller. From 1 to 1024. Default: the number of processors
    /// available to the process (<see cref="Environment.ProcessorCount"/>: affinity and cgroup limits respected).
    /// </summary>
    public int EventLoopCount { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 1024);

    /// <summary>
    /// Which thread runs the application. Default: <see cref="ApplicationScheduling.Adaptive"/>.
    /// </summary>
    public ApplicationScheduling Scheduling { get; set; } = ApplicationScheduling.Adaptive;

    /// <summary>
    /// How long a handler may keep its loop's thread before the loop goes on without it: after one to two times this
    /// long, output that the handler flushed is sent, and with <see cref="ApplicationScheduling.Adaptive"/> another
    /// thread takes the loop if the handler is blocked; sooner while handlers block often, down to a sixteenth, but not
    /// below 50 microseconds. A handler that computes keeps the loop about ten times longer, unless a processor is
    /// free. From 100 microseconds to 1 second. Default: 1 millisecond.
    /// </summary>
    public TimeSpan HandOffThreshold { get; set; } = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// Most threads beside the ones that run loops, with <see cref="ApplicationScheduling.Adaptive"/>: each handler
    /// that blocks keeps one until it returns. When fewer than <see cref="EventLoopCount"/> are left, the application
    /// runs on the .NET thread pool until some are back, which then take back what still waits there. One is kept
    /// ready; the others end when they have not been needed for 20 seconds. From <see cref="EventLoopCount"/> to 32767.
    /// Default: 128, or <see cref="EventLoopCount"/> if that is more.
    /// </summary>
    public int MaxStandbyThreads
    {
        get => _maxStandbyThreads ?? Math.Max(128, EventLoopCount);
        set => _maxStandbyThreads = value;
    }

    /// <summary>After how long without use a standby thread ends. For tests, which would have to wait.</summary>
    internal TimeSpan StandbyIdleTime { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// The same as <see cref="TcpOptions.NoDelay"/> of <see cref="EndpointOptions.Tcp"/>, under the name that it has
    /// with the stock transport. Default: <see langword="true"/>.
    /// </summary>
    public bool NoDelay
    {
        get => Tcp.NoDelay;
        set => Tcp.NoDelay = value;
    }

    /// <summary>
    /// Sets options of one endpoint. They start as a copy of the options here, so that only differences need to be set;
    /// several calls for one endpoint are applied in turn. The action runs when the server starts and when Kestrel
    /// binds again after a reload of the configuration, more than once.
    /// </summary>
    /// <param name="endPoint">
    /// The endpoint that Kestrel binds to, as in <c>KestrelServerOptions.Listen</c>, port 0 included. Kestrel's
    /// <c>ListenLocalhost</c> binds to both loopback addresses, <c>ListenAnyIP</c> to <c>[::]</c> or, without IPv6, to
    /// <c>0.0.0.0</c>: <see cref="ConfigureEndpoint(string, Action{EndpointOptions})"/> knows that.
    /// </param>
    /// <param name="configure">Sets the options.</param>
    public void ConfigureEndpoint(EndPoint endPoint, Action<EndpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        ArgumentNullException.ThrowIfNull(configure);

        _endPoints.Add(new EndpointOverride(endPoint.ToString() ?? "", KestrelName: null, [endPoint], configure));
    }

    /// <summary>
    /// Sets options of the endpoint that Kestrel makes of a URL. They start as a copy of the options here, so that
    /// only differences need to be set; several calls for one endpoint are applied in turn. The action runs when the
    /// server starts and when Kestrel binds again after a reload of the configuration, more than once.
    /// </summary>
    /// <param name="url">
    /// A URL as in <c>--urls</c> and <c>Kestrel:Endpoints</c>: <c>http://127.0.0.1:5000</c>,
    /// <c>https://localhost:5001</c> (both loopback addresses), <c>http://*:80</c> (any address),
    /// <c>http://unix:/run/app.sock</c>. Scheme and path do not matter.
    /// </param>
    /// <param name="configure">Sets the options.</param>
    /// <exception cref="FormatException"><paramref name="url"/> is not such a URL.</exception>
    public void ConfigureEndpoint(string url, Action<EndpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(configure);

        ConfigureEndpoint(url, name: url, kestrelName: null, configure);
    }

    /// <summary>
    /// The same, for an endpoint that has another name for the user, and perhaps one in Kestrel's configuration.
    /// </summary>
    internal void ConfigureEndpoint(string url, string name, string? kestrelName, Action<EndpointOptions> configure)
        => _endPoints.Add(new EndpointOverride(name, kestrelName, EndpointOverride.EndPointsOf(url), configure));

    /// <summary>Where these come from; <see langword="null"/> if there is no configuration.</summary>
    internal OptionsSource? Source { get; set; }

    /// <summary>What was configured for single endpoints. A method, as configuration binds to properties.</summary>
    internal IReadOnlyList<EndpointOverride> GetOverrides() => _endPoints;

    /// <summary>The options of an endpoint: a copy of these, changed by what was configured for it.</summary>
    /// <param name="endPoint">What is bound to.</param>
    /// <param name="name">Its name in Kestrel's configuration, if it has one.</param>
    internal EndpointOptions For(EndPoint endPoint, string? name = null)
    {
        var result = Copy();
        foreach (var configured in _endPoints)
        {
            if (configured.AppliesTo(endPoint, name))
            {
                configured.Configure(result);
            }
        }

        return result;
    }
}
