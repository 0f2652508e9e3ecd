using System.Text;
using KestrelEventLoopTransport;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace SocketOptions;

// What getsockopt(2) reports, under the names of the C headers (Linux).
internal static class KernelView
{
    public const int SOL_SOCKET = 1;
    public const int SO_REUSEPORT = 15;
    public const int IPPROTO_TCP = 6;
    public const int TCP_QUICKACK = 12;

    private static readonly (string Text, int Level, int Name)[] _options =
    [
        ("SO_REUSEADDR", SOL_SOCKET, 2),
        ("SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT),
        ("SO_SNDBUF", SOL_SOCKET, 7),
        ("SO_RCVBUF", SOL_SOCKET, 8),
        ("SO_KEEPALIVE", SOL_SOCKET, 9),
        ("TCP_NODELAY", IPPROTO_TCP, 1),
        ("TCP_KEEPIDLE", IPPROTO_TCP, 4),
        ("TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK),
        ("TCP_USER_TIMEOUT", IPPROTO_TCP, 18),
    ];

    public static void Print(ListenSocketContext socket)
        => Console.Write(Describe($"listening on {socket.EndPoint}", socket.GetOption));

    /// <summary>The options of a connection's socket.</summary>
    public static string Describe(string title, IFeatureCollection features)
    {
        var socket = features.Get<IConnectionSocketFeature>()!.Socket;
        return Describe(title, (level, name) =>
        {
            var value = new byte[sizeof(int)];
            socket.GetRawSocketOption(level, name, value);
            return BitConverter.ToInt32(value);
        });
    }

    public static string Describe(string title, Func<int, int, int> getOption)
    {
        var text = new StringBuilder().AppendLine(title);
        foreach (var (name, level, number) in _options)
        {
            text.AppendLine($"  {name,-16} {getOption(level, number)}");
        }

        return text.ToString();
    }
}
