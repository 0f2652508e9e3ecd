using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Networking.Shared;

namespace KestrelEventLoopTransport.Orleans;

/// <summary>
/// What is different for Orleans, as a default that the configuration and code may change: a connection that Orleans
/// aborts ends with a FIN, as with its own sockets, and <see cref="SocketConnectionOptions"/> apply.
/// </summary>
internal static class OrleansDefaults
{
    internal static void Apply(EndpointOptions options, SocketConnectionOptions sockets)
    {
        options.FinOnError = true;
        Apply(options.Tcp, sockets);
    }

    internal static void Apply(EventLoopClientOptions options, SocketConnectionOptions sockets)
    {
        options.FinOnError = true;
        Apply(options.Tcp, sockets);
    }

    /// <summary>Adds defaults in front of everything else that configures the options.</summary>
    internal static void Add<T>(IServiceCollection services, string name, Action<T, SocketConnectionOptions> apply)
        where T : class
        => services.Insert(0, ServiceDescriptor.Singleton<IConfigureOptions<T>>(
            provider => new ConfigureNamedOptions<T, IOptions<SocketConnectionOptions>>(
                name,
                provider.GetRequiredService<IOptions<SocketConnectionOptions>>(),
                (options, sockets) => apply(options, sockets.Value))));

    private static void Apply(TcpSocketOptions tcp, SocketConnectionOptions sockets)
    {
        tcp.NoDelay = sockets.NoDelay;
        if (sockets.KeepAlive)
        {
            tcp.KeepAlive.Enabled = true;
            tcp.KeepAlive.Time = TimeSpan.FromSeconds(sockets.KeepAliveTimeSeconds);
            tcp.KeepAlive.Interval = TimeSpan.FromSeconds(sockets.KeepAliveIntervalSeconds);
            tcp.KeepAlive.RetryCount = sockets.KeepAliveRetryCount;
        }
    }
}
