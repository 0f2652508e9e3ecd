using System.Globalization;

namespace KestrelEventLoopTransport.Benchmarks.Server;

// The ports of a started server, as the line on its standard output that says it is ready.
internal sealed record ServerPorts(int Http, int Https, int H2c, int Echo)
{
    private const string Ready = "READY";

    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{Ready} http={Http} https={Https} h2c={H2c} echo={Echo}");

    // Null when the line is not the ready line. The floor server has no HTTPS and no h2c: those are 0.
    public static ServerPorts? Parse(string line)
    {
        var words = line.Split(' ');
        if (words[0] != Ready)
        {
            return null;
        }

        var ports = words.Skip(1).Select(word => word.Split('=')).ToDictionary(
            pair => pair[0],
            pair => int.Parse(pair[1], CultureInfo.InvariantCulture));
        return new ServerPorts(
            ports.GetValueOrDefault("http"),
            ports.GetValueOrDefault("https"),
            ports.GetValueOrDefault("h2c"),
            ports.GetValueOrDefault("echo"));
    }
}
